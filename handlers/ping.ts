/** PING: what this worker is and can do. */
import manifest from '../package.json' with { type: 'json' };
import type { Capabilities, Capability } from './ffmpeg/capabilities.ts';
import { chooseRung } from './ffmpeg/choose-rung.ts';
import type { VideoStream } from './ffmpeg/probe.ts';
import { reportOf } from './ladder.ts';
import type { TaskOutput } from './task.ts';
import type { TaskContext } from './task-context.ts';

export async function ping(context: TaskContext): Promise<TaskOutput> {
  const capabilities = await context.capabilities();
  const { rung, reason } = chooseRung(capabilities, { size: { width: 1280, height: 720 } }, [PLAIN_VIDEO]);
  return {
    statusCode: 200,
    body: 'pong',
    versions: { millrace: manifest.version, node: process.versions.node, ffmpeg: context.tools.version },
    ffmpeg_origin: context.tools.origin,
    ...reportOf(rung, reason),
    capabilities: shown(capabilities),
  };
}

/** What most videos are: nothing about it keeps it off the GPU. */
const PLAIN_VIDEO: VideoStream = {
  ...{ index: 0, codec: 'h264', width: 1920, height: 1080, displayWidth: 1920, displayHeight: 1080, pixelFormat: 'yuv420p' },
  ...{ frameRate: { numerator: 25, denominator: 1 }, constantRate: true, durationSeconds: 1, frames: 25 },
  coding: {
    ...{ profile: 'High', level: 40, progressive: true, turned: false, squarePixels: true, fullRange: false },
    ...{ matrix: undefined, primaries: undefined, transfer: undefined },
    ...{ bitsPerSecond: undefined, startSeconds: 0, configurationHash: undefined },
  },
};

/** Each by its name, with the reason beside it where it is not there. */
function shown(found: Capabilities): Record<string, boolean | string> {
  const named: Record<string, Capability> = {
    ...{ h264_nvenc: found.h264Nvenc, hevc_nvenc: found.hevcNvenc, av1_nvenc: found.av1Nvenc },
    ...{ nvdec: found.nvdec, scale_cuda: found.scaleCuda, tone_mapping: found.toneMapping },
  };
  const entries = Object.entries(named).flatMap(([name, capability]): [string, boolean | string][] =>
    capability.available
      ? [[name, true]]
      : [
          [name, false],
          [`${name}_reason`, capability.reason],
        ],
  );
  return Object.fromEntries(entries);
}
