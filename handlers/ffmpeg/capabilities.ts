/** What this machine can encode with, proven by encoding. Lists prove nothing: builds list NVENC on machines without a GPU. */
import { encoderProofArguments, type VideoEncoder } from './arguments/video-encoder.ts';
import { ffmpegFailure } from './failure.ts';
import type { Tools } from './locate.ts';
import { runTool, type ToolEnd } from './run.ts';

export interface Capabilities {
  readonly h264Nvenc: { readonly available: true } | { readonly available: false; readonly reason: string };
  /** What videos are encoded with here. */
  readonly encoder: VideoEncoder;
}

const PROOF_TIME_LIMIT_MS = 10_000;

/** What stderr says when there is no NVENC, in words that say what to do. In this order: the specific ones first. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/Unknown encoder/i, 'this ffmpeg was built without NVENC'],
  [
    /Unrecognized option|Undefined constant|Error setting option|Unable to parse/i,
    'this ffmpeg is too old for the NVENC options used',
  ],
  [/Cannot load libcuda/i, 'there is no NVIDIA driver (libcuda)'],
  [
    /Cannot load libnvidia-encode/i,
    'the driver is there without its encoder library: the container needs NVIDIA_DRIVER_CAPABILITIES=compute,video,utility',
  ],
  [/required nvenc API version/i, 'the NVIDIA driver is older than this ffmpeg needs'],
  [/unsupported device/i, 'this GPU has no encoder (A100, A30, H100 and H200 have none)'],
  [/out of memory/i, 'the GPU has no encoding session or no memory left'],
  [/No capable devices found/i, 'no GPU here can encode H.264'],
];

/** Never throws, except where `signal` is aborted. */
export async function detectCapabilities(tools: Tools, signal: AbortSignal): Promise<Capabilities> {
  const end = await runTool({
    file: tools.ffmpeg,
    args: encoderProofArguments('h264_nvenc'),
    signal,
    timeLimitMs: PROOF_TIME_LIMIT_MS,
  });
  if (end.exitCode === 0) return { h264Nvenc: { available: true }, encoder: 'h264_nvenc' };
  return { h264Nvenc: { available: false, reason: withoutNvencBecause(end) }, encoder: 'libx264' };
}

/** Why a test encode that failed did so, in words. */
export function withoutNvencBecause(end: ToolEnd): string {
  if (end.timedOut) return `the test encode did not end within ${PROOF_TIME_LIMIT_MS / 1000} s`;
  return REASONS.find(([pattern]) => pattern.test(end.stderrTail))?.[1] ?? ffmpegFailure(end).message;
}
