/** From a file in the workspace to its destination: looked at first, uploaded only if it is what was asked for. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { MillraceError } from '../../errors.ts';
import { safeTail, saysTruncated } from '../ffmpeg/failure.ts';
import type { MediaInfo } from '../ffmpeg/probe.ts';
import type { TaskContext } from '../task-context.ts';
import type { Destination } from './destination.ts';

export interface Publication {
  readonly file: string;
  readonly contentType: string;
  readonly destination: Destination;
  /** Throws OUTPUT_INVALID, or why it could not look. */
  readonly verify: (info: MediaInfo) => void | Promise<void>;
  /** What ffmpeg said while it made the file: an input that broke off explains an output that is too short. */
  readonly stderrTail?: string;
}

export interface Published {
  readonly info: MediaInfo;
  readonly sizeBytes: number;
}

/** Throws OUTPUT_INVALID or INPUT_INVALID (nothing was uploaded), or what the upload throws. */
export async function publish(publication: Publication, context: TaskContext): Promise<Published> {
  const { file, contentType, destination, verify, stderrTail = '' } = publication;
  const info = await context.media.probe({ file }).catch((thrown: unknown) => {
    if (thrown instanceof MillraceError && thrown.code === 'INPUT_INVALID') {
      throw new MillraceError('OUTPUT_INVALID', `Nothing was uploaded: the output cannot be read. ${thrown.message}`, {
        context: thrown.context,
      });
    }
    throw thrown;
  });
  try {
    await context.trace.span('verify', {}, async () => verify(info));
  } catch (thrown) {
    if (!(thrown instanceof MillraceError) || thrown.code !== 'OUTPUT_INVALID') throw thrown;
    const context = { ...thrown.context, stderr_tail: safeTail(stderrTail) };
    if (!saysTruncated(stderrTail)) throw new MillraceError(thrown.code, thrown.message, { cause: thrown, context });
    throw new MillraceError('INPUT_INVALID', `An input breaks off before its end. ${thrown.message}`, { cause: thrown, context });
  }
  const { size: sizeBytes } = await stat(file);
  await context.upload(destination, { sizeBytes, contentType, open: () => createReadStream(file) });
  return { info, sizeBytes };
}
