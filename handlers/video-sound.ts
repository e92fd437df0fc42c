/** The sound of a video that was made: measured, and compared with what it was made of. */
import { open } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import { ENTERED_LEVEL_FILE, levelArguments, MADE_LEVEL_FILE, writtenPeakDbfs } from './ffmpeg/arguments/sound-level.ts';
import type { MediaInfo } from './ffmpeg/probe.ts';
import { type TrackExpectation, verifyTrack, verifyVideoLevel } from './outputs/verify-video-sound.ts';
import { isSystemError } from './retry.ts';
import type { TaskContext } from './task-context.ts';

type SoundContext = Pick<TaskContext, 'media' | 'workspace'>;

export interface VideoSound extends TrackExpectation {
  /** `encoded`: it went through `aacFilters`, in a run whose `cwd` was the workspace. */
  readonly kind: 'encoded' | 'copied';
}

/** Throws OUTPUT_INVALID, or what decoding the output's sound throws. */
export async function verifyVideoSound(
  file: string,
  made: MediaInfo,
  expected: VideoSound,
  context: SoundContext,
): Promise<void> {
  verifyTrack(made, expected);
  // A copy's packets are the source's: there is nothing that could have changed their level.
  if (expected.kind === 'copied') return;
  const entered = await peakIn(ENTERED_LEVEL_FILE, context);
  const { directory } = context.workspace;
  await context.media
    .run((at) => levelArguments(at({ file })), { cwd: directory })
    .catch((thrown: unknown) => {
      if (!(thrown instanceof MillraceError) || thrown.retryable || !READING_FAILURES.has(thrown.code)) throw thrown;
      throw new MillraceError('OUTPUT_INVALID', `Nothing was uploaded: the output's sound cannot be decoded. ${thrown.message}`, {
        cause: thrown,
        context: thrown.context,
      });
    });
  verifyVideoLevel(await peakIn(MADE_LEVEL_FILE, context), entered, made.audio?.channels === expected.channels);
}

/** Of a file that we have just made and probed. */
const READING_FAILURES: ReadonlySet<string> = new Set(['INPUT_INVALID', 'CODEC_UNSUPPORTED', 'FFMPEG_FAILED']);

/** Longer than any two lines. */
const TAIL_BYTES = 4096;

/** The peak that a run wrote; silence where it had no sound to measure. */
async function peakIn(name: string, { workspace }: SoundContext): Promise<number> {
  const handle = await open(workspace.path(name), 'r').catch((thrown: unknown) => {
    if (isSystemError(thrown, 'ENOENT')) return undefined;
    throw thrown;
  });
  if (handle === undefined) return Number.NEGATIVE_INFINITY;
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, Math.max(0, size - TAIL_BYTES));
    return writtenPeakDbfs(buffer.toString('latin1', 0, bytesRead));
  } finally {
    await handle.close();
  }
}
