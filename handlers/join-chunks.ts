/**
 * JOIN_CHUNKS: the chunks of one video and its sound, as one file. Nothing is encoded: the pictures are those of the chunks, to the
 * frame, and the sound was made as a whole.
 */
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { MillraceError } from '../errors.ts';
import type { JoinChunksParameters } from '../manifests/tasks.ts';
import { type JoinedPictures, joinChunksArguments, rateOf } from './ffmpeg/arguments/chunk.ts';
import { concatList } from './ffmpeg/arguments/concatenate.ts';
import { framesPerSecond, type MediaInfo, type VideoStream } from './ffmpeg/probe.ts';
import { percentOf } from './ffmpeg/progress.ts';
import type { OpenInput } from './inputs/open-input.ts';
import { type Climbed, copyReport, onLadder, onRung } from './ladder.ts';
import { type Published, publish } from './outputs/publish.ts';
import { verifyVideo } from './outputs/verify.ts';
import { both, mapInPool } from './pool.ts';
import type { TaskOutput } from './task.ts';
import { plannedEtag, roundedSeconds, type TaskContext } from './task-context.ts';
import { audioOf, videoOf } from './video-input.ts';
import { verifyVideoSound } from './video-sound.ts';

const FETCHES_AT_A_TIME = 4;
const LIST_FILE = 'chunks.ffconcat';
const chunkFile = (index: number) => `chunk_${index}.mp4`;

export async function joinChunks(parameters: JoinChunksParameters, context: TaskContext): Promise<TaskOutput> {
  const { workspace, media } = context;
  const { chunks, millrace } = parameters;
  const destination = context.destination(parameters);
  const sound = parameters.sound_url === undefined ? undefined : await fetchSound(parameters.sound_url, parameters, context);
  const pictures = await mapInPool(parameters.chunk_urls, FETCHES_AT_A_TIME, async (uri, index) => {
    const input = await context.openInput(uri, plannedEtag(millrace, 'chunk_urls', index));
    const file = workspace.path(chunkFile(index));
    const info = await fetchInto(input, file, context);
    return verifiedChunk(videoOf(info, input.label), input, chunks[index]);
  });
  const [first] = pictures;
  const [firstChunk] = chunks;
  if (first === undefined || firstChunk === undefined)
    throw new MillraceError('PARAMETERS_INVALID', 'expected at least two chunks');
  const rate = rateOf(firstChunk);
  const frames = pictures.reduce((sum, video) => sum + (video.frames ?? 0), 0);
  const promisedSeconds = chunks.reduce((sum, chunk) => sum + chunk.frames, 0) / framesPerSecond(rate);
  const entries = pictures.map((video, index) => ({ file: chunkFile(index), frames: video.frames ?? 0 }));
  await writeFile(workspace.path(LIST_FILE), concatList(entries, rate));

  const outputFile = workspace.path('joined.mp4');
  function joined(how: JoinedPictures): Promise<Published> {
    const args = joinChunksArguments({
      ...{ listFile: workspace.path(LIST_FILE), chunks, pictures: how, soundFile: sound?.file, outputFile },
    });
    const work = () =>
      media.run(() => args, {
        cwd: workspace.directory,
        onProgress: (progress) => context.progress(percentOf(progress, promisedSeconds), progress.speed),
      });
    const make = () => (how === 'copied' ? work() : onRung(how.rung, context, work));
    const { width, height } = first ?? { width: 0, height: 0 };
    const verify = async (made: MediaInfo) => {
      // Pictures of uneven pace may end before their last one does; the sound then still fills the whole.
      const lengths = { videoSeconds: promisedSeconds, totalSeconds: promisedSeconds };
      verifyVideo(made, { width, height, audio: sound !== undefined, ...lengths, frames });
      if (sound === undefined) return;
      const { durationSeconds, channels, packets } = sound.audio;
      await verifyVideoSound(outputFile, made, { kind: 'copied', seconds: [durationSeconds], channels, packets }, context);
    };
    return publish({ file: outputFile, make, contentType: 'video/mp4', destination, verify }, context);
  }

  const odd = pictures.findIndex((video) => codingOf(video) !== codingOf(first));
  const { value, report }: Climbed<Published> =
    odd < 0
      ? { value: await joined('copied'), report: copyReport('the chunks are joined as they are') }
      : await encodedAgain(odd);

  /** Workers with other GPUs or another ffmpeg among them: one track of an MP4 can describe one way of coding only. */
  function encodedAgain(index: number): Promise<Climbed<Published>> {
    context.log.warn({ chunk: index }, 'the chunks are coded differently; they are encoded once more');
    return onLadder({ size: { width: first?.width ?? 0, height: first?.height ?? 0 } }, pictures, context, (rung) =>
      joined({ rung }),
    );
  }

  return {
    statusCode: 200,
    body: 'Joined.',
    output_uri: destination.reportedUri,
    ...{ width: first.width, height: first.height, chunks: chunks.length, frames },
    duration_sec: roundedSeconds(value.info.durationSeconds ?? 0),
    ...report,
    ...(odd < 0 ? {} : { not_copied_reason: `chunks 0 and ${odd} are coded differently` }),
    bytes_written: value.sizeBytes,
  };
}

async function fetchSound(uri: string, { millrace }: JoinChunksParameters, context: TaskContext) {
  const input = await context.openInput(uri, plannedEtag(millrace, 'sound_url'));
  const file = context.workspace.path('sound.m4a');
  const info = await fetchInto(input, file, context);
  return { file, audio: audioOf(info, input.label) };
}

async function fetchInto(input: OpenInput, file: string, { media, signal }: TaskContext): Promise<MediaInfo> {
  const fetching = pipeline(input.stream(), createWriteStream(file), { signal });
  const [, info] = await both(fetching, media.probe(fetching.then(() => ({ file }))));
  if ('reader' in input.data) input.data.reader.release();
  return info;
}

/** Throws INPUT_INVALID where a chunk does not hold what the list says of it. */
function verifiedChunk(
  video: VideoStream,
  { label }: OpenInput,
  chunk: JoinChunksParameters['chunks'][number] | undefined,
): VideoStream {
  const wanted = chunk?.to_end === true ? video.frames : chunk?.frames;
  if (video.frames !== undefined && video.frames === wanted) return video;
  throw new MillraceError('INPUT_INVALID', `${label} has ${video.frames ?? 0} frames where its chunk has ${wanted ?? 0}.`);
}

function codingOf({ width, height, coding }: VideoStream): string {
  const { configurationHash, matrix, primaries, transfer } = coding;
  return JSON.stringify([width, height, configurationHash, matrix, primaries, transfer]);
}
