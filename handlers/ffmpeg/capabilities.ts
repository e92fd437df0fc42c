/** What this machine's GPU and ffmpeg can do, proven by doing it. Lists prove nothing: builds list NVENC on machines without a GPU. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decoderProofArguments,
  encoderProofArguments,
  type NvencEncoder,
  proofClipArguments,
  scalerProofArguments,
  toneMapProofArguments,
} from './arguments/proof.ts';
import { ffmpegFailure } from './failure.ts';
import type { Tools } from './locate.ts';
import { runTool, type ToolEnd } from './run.ts';

export type Capability = { readonly available: true } | { readonly available: false; readonly reason: string };

export interface Capabilities {
  readonly h264Nvenc: Capability;
  readonly hevcNvenc: Capability;
  readonly av1Nvenc: Capability;
  /** Decoding of H.264. */
  readonly nvdec: Capability;
  readonly scaleCuda: Capability;
  /** On the CPU: the filters that make SDR of HDR. */
  readonly toneMapping: Capability;
}

const PROOF_TIME_LIMIT_MS = 10_000;
const AVAILABLE: Capability = { available: true };

/** What stderr says when something is missing, in words that say what to do. In this order: the specific ones first. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/Unknown encoder|No such filter|Unrecognized hwaccel/i, 'this ffmpeg was built without it'],
  [
    /Unrecognized option|Undefined constant|Error setting option|Unable to parse|Option .* not found/i,
    'this ffmpeg is too old for the options used',
  ],
  [/Cannot load libcuda/i, 'there is no NVIDIA driver (libcuda)'],
  [
    /Cannot load lib(nvidia-encode|nvcuvid)/i,
    'the driver is there without its video libraries: the container needs NVIDIA_DRIVER_CAPABILITIES=compute,video,utility',
  ],
  [/required nvenc API version|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH/i, 'the NVIDIA driver is older than this ffmpeg needs'],
  [/CUDA_ERROR_NO_DEVICE|no CUDA-capable device/i, 'the driver sees no GPU'],
  [/Codec not supported|codec .*unsupported/i, 'this GPU has no encoder for that codec'],
  [/unsupported device/i, 'this GPU has no encoder (A100, A30, H100 and H200 have none)'],
  [/out of memory|encoder busy/i, 'the GPU has no encoding session or no memory left'],
  [/No capable devices found/i, 'no GPU here can encode that codec'],
  [/CUDA_ERROR_\w+/, 'CUDA does not work on this machine'],
  // Without a word about libcuda: the build has no CUDA in it.
  [/No device available for decoder|Device type cuda is not supported|Invalid hwaccel/i, 'this ffmpeg was built without CUDA'],
  [/Impossible to convert between the formats/i, 'the GPU decoded nothing: ffmpeg fell back to the CPU'],
];

/** Never throws, except where `signal` is aborted. Takes 10 s for each proof at the most. */
export async function detectCapabilities(tools: Pick<Tools, 'ffmpeg'>, signal: AbortSignal): Promise<Capabilities> {
  const prove = async (args: readonly string[]): Promise<Capability> =>
    capabilityOf(await runTool({ file: tools.ffmpeg, args, signal, timeLimitMs: PROOF_TIME_LIMIT_MS }));
  const proveEncoder = (encoder: NvencEncoder) => prove(encoderProofArguments(encoder));

  async function encoders() {
    // One after the other: some GPUs allow few sessions, and these proofs must not take them from each other.
    const h264Nvenc = await proveEncoder('h264_nvenc');
    const hevcNvenc = await proveEncoder('hevc_nvenc');
    return { h264Nvenc, hevcNvenc, av1Nvenc: await proveEncoder('av1_nvenc') };
  }

  async function decoders() {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-proof-')).catch(() => undefined);
    if (directory === undefined) return without('no test clip could be made: the disk cannot be written');
    try {
      const clip = join(directory, 'clip.mp4');
      const made = await prove(proofClipArguments(clip));
      if (!made.available) return without(`no test clip could be made: ${made.reason}`);
      const nvdec = await prove(decoderProofArguments(clip));
      return { nvdec, scaleCuda: nvdec.available ? await prove(scalerProofArguments(clip)) : nvdec };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  const [encoding, decoding, toneMapping] = await Promise.all([encoders(), decoders(), prove(toneMapProofArguments())]);
  return { ...encoding, ...decoding, toneMapping };
}

function without(reason: string) {
  const missing: Capability = { available: false, reason };
  return { nvdec: missing, scaleCuda: missing };
}

function capabilityOf(end: ToolEnd): Capability {
  return end.exitCode === 0 ? AVAILABLE : { available: false, reason: missingBecause(end) };
}

/** Why a proof failed, in words. */
export function missingBecause(end: ToolEnd): string {
  if (end.timedOut) return `the proof did not end within ${PROOF_TIME_LIMIT_MS / 1000} s`;
  return REASONS.find(([pattern]) => pattern.test(end.stderrTail))?.[1] ?? ffmpegFailure(end).message;
}
