/** Encoding on the GPU where there is one that encodes, and on the CPU where it fails: a full GPU must not fail a video. */
import { MillraceError } from '../errors.ts';
import type { VideoEncoder } from './ffmpeg/arguments/video-encoder.ts';
import type { TaskContext } from './task-context.ts';

export async function withEncoder<T>(
  context: Pick<TaskContext, 'capabilities' | 'log'>,
  encode: (encoder: VideoEncoder) => Promise<T>,
): Promise<{ readonly value: T; readonly encoder: VideoEncoder }> {
  const { encoder } = await context.capabilities();
  try {
    return { value: await encode(encoder), encoder };
  } catch (thrown) {
    const canRetry = encoder !== 'libx264' && thrown instanceof MillraceError && thrown.code === 'GPU_FAILED';
    if (!canRetry) throw thrown;
    context.log.warn({ error: thrown }, 'the GPU encoder failed; encoding on the CPU');
    return { value: await encode('libx264'), encoder: 'libx264' };
  }
}
