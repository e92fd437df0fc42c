/** The clips of a concatenation: opened, placed, and made ready to be joined, each by itself. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import type { ConcatenationParameters } from '../manifests/tasks.ts';
import { CUT_BLOCK_BYTES } from './ffmpeg/arguments/audio-cut.ts';
import { type Canvas, type ClipPictures, clipArguments, samplesAt } from './ffmpeg/arguments/concatenate.ts';
import { framesPerSecond, type VideoStream } from './ffmpeg/probe.ts';
import { percentOf } from './ffmpeg/progress.ts';
import { onRung } from './ladder.ts';
import { both, mapInPool } from './pool.ts';
import { isSystemError } from './retry.ts';
import { plannedEtag, type TaskContext } from './task-context.ts';
import { openAndProbe, type SeenInput, videoOf } from './video-input.ts';
import { appendAll, appendSilence } from './wav.ts';

export interface SourceClip extends SeenInput {
  readonly video: VideoStream;
}

export interface PlacedClip extends SourceClip {
  readonly frames: number;
  /** Of all clips before it. */
  readonly framesBefore: number;
}

const PROBES_AT_A_TIME = 4;
/** The rest of the progress is the joining. */
const CLIPS_PERCENT = 95;

/** Throws what opening and probing throw, and INPUT_INVALID where a clip has no pictures. */
export async function openClips(
  { segment_urls, millrace }: ConcatenationParameters,
  context: TaskContext,
): Promise<SourceClip[]> {
  return mapInPool(segment_urls, PROBES_AT_A_TIME, async (uri, index) => {
    const { input, info } = await openAndProbe(uri, plannedEtag(millrace, 'segment_urls', index), context);
    // Each clip is read again when its turn comes; until then a thousand of them would hold a thousand buffers.
    if ('reader' in input.data) input.data.reader.release();
    return { input, info, video: videoOf(info, input.label) };
  });
}

/** `counts`: how many pictures each clip gets. */
export function placeClips(sources: readonly SourceClip[], counts: readonly number[]): PlacedClip[] {
  let framesBefore = 0;
  return sources.map((source, index) => {
    const frames = counts[index] ?? 1;
    const placed = { ...source, frames, framesBefore };
    framesBefore += frames;
    return placed;
  });
}

export const AUDIO_FILE = 'audio.pcm';
export const clipFile = (index: number) => `clip_${index}.mp4`;

/** Writes the pictures of each clip to `clipFile(index)` and the sound of all to `AUDIO_FILE`. */
export async function makeClips(
  clips: readonly PlacedClip[],
  canvas: Canvas,
  pictures: ClipPictures,
  context: TaskContext,
): Promise<void> {
  const totalFrames = clips.reduce((sum, { frames }) => sum + frames, 0);
  const audio = await open(context.workspace.path(AUDIO_FILE), 'w');
  try {
    for (const [index, clip] of clips.entries()) {
      const audioFile = context.workspace.path('clip.pcm');
      await makeClip(clip, { index, audioFile, canvas, pictures, totalFrames }, context);
      if ('reader' in clip.input.data) clip.input.data.reader.release();
      const { rate } = canvas;
      const samples = samplesAt(clip.framesBefore + clip.frames, rate) - samplesAt(clip.framesBefore, rate);
      await appendSound(audio, audioFile, samples * CUT_BLOCK_BYTES);
      await rm(audioFile, { force: true });
    }
  } finally {
    await audio.close();
  }
}

interface ClipMaking {
  readonly index: number;
  readonly audioFile: string;
  readonly canvas: Canvas;
  readonly pictures: ClipPictures;
  readonly totalFrames: number;
}

async function makeClip(clip: PlacedClip, making: ClipMaking, context: TaskContext): Promise<void> {
  const { video, frames, framesBefore, info, input } = clip;
  const { index, audioFile, canvas, pictures, totalFrames } = making;
  const videoFile = context.workspace.path(clipFile(index));
  const clipSeconds = frames / framesPerSecond(canvas.rate);
  const written = onRung(pictures === 'copied' ? 'cpu' : pictures.rung, context, () =>
    context.media.run(
      (at) =>
        clipArguments({
          ...{ location: at(input.data, 'whole'), video, audioIndex: info.audio?.index },
          ...{ canvas, frames, pictures, videoFile, audioFile },
        }),
      {
        onProgress: (progress) => {
          const doneFrames = framesBefore + (frames * percentOf(progress, clipSeconds)) / 100;
          context.progress((CLIPS_PERCENT * doneFrames) / totalFrames, progress.speed);
        },
      },
    ),
  );
  const [, found] = await both(written, context.media.probe(written.then(() => ({ file: videoFile }))));
  const made = found.video?.frames;
  if (made === frames) return;
  // A copy that differs from its header may still be encoded.
  const code = pictures === 'copied' ? 'OUTPUT_INVALID' : 'INPUT_INVALID';
  throw new MillraceError(code, `${input.label} gave ${made ?? 0} frames where its header promised ${frames}.`);
}

/** Exactly `bytes` of the clip's sound: cut or filled with silence, so that no clip moves the sound of those behind it. */
async function appendSound(audio: FileHandle, clipAudioFile: string, bytes: number): Promise<void> {
  let appended = 0;
  try {
    for await (const chunk of createReadStream(clipAudioFile)) {
      const taken: Buffer = chunk.subarray(0, bytes - appended);
      await appendAll(audio, taken);
      appended += taken.length;
      if (appended >= bytes) break;
    }
  } catch (thrown) {
    // A clip without sound has no such file.
    if (!isSystemError(thrown, 'ENOENT')) throw thrown;
  }
  await appendSilence(audio, bytes - appended);
}
