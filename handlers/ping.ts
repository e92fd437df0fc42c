/** PING: what this worker is and can do. */
import manifest from '../package.json' with { type: 'json' };
import type { TaskOutput } from './task.ts';
import type { TaskContext } from './task-context.ts';

export async function ping(context: TaskContext): Promise<TaskOutput> {
  const { h264Nvenc, encoder } = await context.capabilities();
  return {
    statusCode: 200,
    body: 'pong',
    versions: { millrace: manifest.version, node: process.versions.node, ffmpeg: context.tools.version },
    ffmpeg_origin: context.tools.origin,
    encoder,
    capabilities: { h264_nvenc: h264Nvenc.available, ...(h264Nvenc.available ? {} : { h264_nvenc_reason: h264Nvenc.reason }) },
  };
}
