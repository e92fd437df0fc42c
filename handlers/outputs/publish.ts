/** An output from its making to its destination: looked at once it is made, uploaded only if it is what was asked for. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { MillraceError } from '../../errors.ts';
import { safeTail, saysTruncated } from '../ffmpeg/failure.ts';
import type { MediaInfo } from '../ffmpeg/probe.ts';
import type { ToolEnd } from '../ffmpeg/run.ts';
import { both } from '../pool.ts';
import type { TaskContext } from '../task-context.ts';
import type { Destination } from './destination.ts';

export interface Publication {
  /** In the workspace. */
  readonly file: string;
  /** Makes it. What ffmpeg said, if it did: an input that broke off explains an output that is too short. */
  readonly make: () => Promise<Pick<ToolEnd, 'stderrTail'>>;
  readonly contentType: string;
  readonly destination: Destination;
  /** Throws OUTPUT_INVALID, or why it could not look. */
  readonly verify: (info: MediaInfo) => void | Promise<void>;
}

export interface Published {
  readonly info: MediaInfo;
  readonly sizeBytes: number;
}

/** Throws what the making throws, OUTPUT_INVALID or INPUT_INVALID (nothing was uploaded), or what the upload throws. */
export async function publish(publication: Publication, context: TaskContext): Promise<Published> {
  const { file, make, contentType, destination, verify } = publication;
  const making = make();
  const looking = context.media.probe(making.then(() => ({ file }))).catch((thrown: unknown) => {
    if (thrown instanceof MillraceError && thrown.code === 'INPUT_INVALID') {
      throw new MillraceError('OUTPUT_INVALID', `Nothing was uploaded: the output cannot be read. ${thrown.message}`, {
        context: thrown.context,
      });
    }
    throw thrown;
  });
  const [{ stderrTail }, info] = await both(making, looking);
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
