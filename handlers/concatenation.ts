/** CONCATENATION: many clips, one video. Its length is the sum of the lengths of the clips' pictures, to the frame. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm, writeFile } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import type { ConcatenationParameters } from '../manifests/tasks.ts';
import { withEncoder } from './encoder-fallback.ts';
import { CUT_BLOCK_BYTES } from './ffmpeg/arguments/audio-cut.ts';
import {
  type Canvas,
  canvasOf,
  clipArguments,
  concatList,
  frameCounts,
  joinArguments,
  samplesAt,
} from './ffmpeg/arguments/concatenate.ts';
import type { VideoEncoder } from './ffmpeg/arguments/video-encoder.ts';
import { framesPerSecond, type MediaInfo, type VideoStream } from './ffmpeg/probe.ts';
import { percentOf } from './ffmpeg/progress.ts';
import type { OpenInput } from './inputs/open-input.ts';
import { publish } from './outputs/publish.ts';
import { verifyVideo } from './outputs/verify.ts';
import { mapInPool } from './pool.ts';
import { isSystemError } from './retry.ts';
import type { TaskOutput } from './task.ts';
import { plannedEtag, roundedSeconds, type TaskContext } from './task-context.ts';
import { videoOf, videoSeconds } from './video-input.ts';
import { appendAll, appendSilence } from './wav.ts';

interface SourceClip {
  readonly input: OpenInput;
  readonly info: MediaInfo;
  readonly video: VideoStream;
}

interface PlacedClip extends SourceClip {
  readonly frames: number;
  /** Of all clips before it. */
  readonly framesBefore: number;
}

const PROBES_AT_A_TIME = 4;
/** The rest of the progress is the joining. */
const CLIPS_PERCENT = 95;

export async function concatenate(parameters: ConcatenationParameters, context: TaskContext): Promise<TaskOutput> {
  const destination = context.destination(parameters);
  const sources = await openClips(parameters, context);
  const canvas = canvasOf(sources.map(({ video }) => video));
  const clips = place(sources, canvas);
  const totalFrames = clips.reduce((sum, { frames }) => sum + frames, 0);
  const outputFile = context.workspace.path('concatenated.mp4');

  // One encoder for all clips: joined without encoding again, they share one stream's parameters.
  const { encoder } = await withEncoder(context, (encoder) =>
    makeClips(clips, { canvas, encoder, crf: parameters.crf }, context),
  );
  const listFile = context.workspace.path('clips.ffconcat');
  await writeFile(
    listFile,
    concatList(
      clips.map(({ frames }, index) => ({ file: clipFile(index), frames })),
      canvas.rate,
    ),
  );
  const end = await context.media.run(() =>
    joinArguments({
      ...{ listFile, audioFile: context.workspace.path(AUDIO_FILE), rate: canvas.rate, outputFile },
      audioKbps: parameters.audio_kbps,
    }),
  );

  const { width, height } = canvas;
  const expectedSeconds = totalFrames / framesPerSecond(canvas.rate);
  const published = await publish(
    {
      file: outputFile,
      contentType: 'video/mp4',
      destination,
      verify: (info) => verifyVideo(info, { width, height, audio: true, videoSeconds: expectedSeconds, frames: totalFrames }),
      stderrTail: end.stderrTail,
    },
    context,
  );
  return {
    statusCode: 200,
    body: 'Concatenated.',
    output_uri: destination.reportedUri,
    clips: clips.length,
    ...{ width, height, frames: totalFrames },
    duration_sec: roundedSeconds(published.info.durationSeconds ?? 0),
    encoder,
    bytes_written: published.sizeBytes,
  };
}

async function openClips({ segment_urls, millrace }: ConcatenationParameters, context: TaskContext): Promise<SourceClip[]> {
  return mapInPool(segment_urls, PROBES_AT_A_TIME, async (uri, index) => {
    const input = await context.openInput(uri, plannedEtag(millrace, 'segment_urls', index));
    const info = await context.media.probe(input.data);
    // Each clip is read again when its turn comes; until then a thousand of them would hold a thousand buffers.
    if ('reader' in input.data) input.data.reader.release();
    return { input, info, video: videoOf(info, input.label) };
  });
}

function place(sources: readonly SourceClip[], canvas: Canvas): PlacedClip[] {
  const counts = frameCounts(
    sources.map(({ info, input }) => videoSeconds(info, input.label)),
    canvas.rate,
  );
  let framesBefore = 0;
  return sources.map((source, index) => {
    const frames = counts[index] ?? 1;
    const placed = { ...source, frames, framesBefore };
    framesBefore += frames;
    return placed;
  });
}

interface ClipSettings {
  readonly canvas: Canvas;
  readonly encoder: VideoEncoder;
  readonly crf: number | undefined;
}

const AUDIO_FILE = 'audio.pcm';
const clipFile = (index: number) => `clip_${index}.mp4`;

async function makeClips(clips: readonly PlacedClip[], settings: ClipSettings, context: TaskContext): Promise<void> {
  const totalFrames = clips.reduce((sum, { frames }) => sum + frames, 0);
  const audio = await open(context.workspace.path(AUDIO_FILE), 'w');
  try {
    for (const [index, clip] of clips.entries()) {
      const audioFile = context.workspace.path('clip.pcm');
      await makeClip(clip, index, audioFile, settings, totalFrames, context);
      if ('reader' in clip.input.data) clip.input.data.reader.release();
      const { rate } = settings.canvas;
      const samples = samplesAt(clip.framesBefore + clip.frames, rate) - samplesAt(clip.framesBefore, rate);
      await appendSound(audio, audioFile, samples * CUT_BLOCK_BYTES);
      await rm(audioFile, { force: true });
    }
  } finally {
    await audio.close();
  }
}

async function makeClip(
  clip: PlacedClip,
  index: number,
  audioFile: string,
  { canvas, encoder, crf }: ClipSettings,
  totalFrames: number,
  context: TaskContext,
): Promise<void> {
  const { video, frames, framesBefore, info } = clip;
  const videoFile = context.workspace.path(clipFile(index));
  const clipSeconds = frames / framesPerSecond(canvas.rate);
  await context.media.run(
    (at) =>
      clipArguments({
        location: at(clip.input.data),
        video,
        audioIndex: info.audio?.index,
        canvas,
        frames,
        encoder,
        crf,
        videoFile,
        audioFile,
      }),
    {
      onProgress: (progress) => {
        const doneFrames = framesBefore + (frames * percentOf(progress, clipSeconds)) / 100;
        context.progress((CLIPS_PERCENT * doneFrames) / totalFrames, progress.speed);
      },
    },
  );
  const made = (await context.media.probe({ file: videoFile })).video?.frames;
  if (made === frames) return;
  throw new MillraceError('INPUT_INVALID', `${clip.input.label} gave ${made ?? 0} frames where its header promised ${frames}.`);
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
