/** Subtitles on their way into the picture: one ASS file of a fixed name in the working directory. */
import { createWriteStream } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { MillraceError } from '../errors.ts';
import { SUBTITLES_FILE, subtitleConversionArguments } from './ffmpeg/arguments/encode.ts';
import { SUBTITLE_FORMATS } from './ffmpeg/arguments/input.ts';
import type { OpenInput } from './inputs/open-input.ts';
import type { TaskContext } from './task-context.ts';

const MAX_SUBTITLE_BYTES = 16 * 1024 * 1024;

/** Throws TOO_LARGE, or INPUT_INVALID where the file is neither ASS nor SubRip nor WebVTT. */
export async function prepareSubtitles(input: OpenInput, context: TaskContext): Promise<void> {
  if (input.totalBytes > MAX_SUBTITLE_BYTES) {
    throw new MillraceError(
      'TOO_LARGE',
      `${input.label} has ${input.totalBytes} bytes; subtitles may have ${MAX_SUBTITLE_BYTES}.`,
    );
  }
  const { workspace, media } = context;
  const fetched = workspace.path('subtitles.input');
  await pipeline(input.stream(), createWriteStream(fetched), { signal: context.signal });
  // A playlist in its place would be followed by whatever opens it as media; this refuses it.
  const info = await media.probe({ file: fetched }, { formats: SUBTITLE_FORMATS }).catch((thrown: unknown) => {
    if (!(thrown instanceof MillraceError) || thrown.code !== 'INPUT_INVALID') throw thrown;
    throw new MillraceError('INPUT_INVALID', `${input.label} is not a subtitle file that can be read (ASS, SubRip, WebVTT).`);
  });
  if (info.formatName === 'ass' && !(await isUtf16(fetched))) await rename(fetched, workspace.path(SUBTITLES_FILE));
  else await media.run(() => subtitleConversionArguments(fetched, workspace.path(SUBTITLES_FILE)));
}

/** libass reads UTF-8; ffmpeg's own reader knows both. */
async function isUtf16(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    const mark = buffer.toString('hex');
    return mark === 'fffe' || mark === 'feff';
  } finally {
    await handle.close();
  }
}
