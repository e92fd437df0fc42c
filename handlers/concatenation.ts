/**
 * CONCATENATION: many clips, one video. Its length is the sum of the lengths of the clips' pictures, to the frame. Pictures that are
 * coded alike are joined as they are; the sound is always encoded once, as a whole.
 */
import { writeFile } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import type { ConcatenationParameters } from '../manifests/tasks.ts';
import { AUDIO_FILE, clipFile, makeClips, openClips, type PlacedClip, placeClips, type SourceClip } from './clips.ts';
import { CUT_CHANNELS } from './ffmpeg/arguments/audio-cut.ts';
import {
  type Canvas,
  type ClipPictures,
  canvasOf,
  concatList,
  frameCounts,
  joinArguments,
} from './ffmpeg/arguments/concatenate.ts';
import { framesPerSecond, type MediaInfo } from './ffmpeg/probe.ts';
import type { ToolEnd } from './ffmpeg/run.ts';
import { planHdr } from './hdr.ts';
import { type Climbed, copyReport, onLadder, unlessUnfit } from './ladder.ts';
import { type Published, publish } from './outputs/publish.ts';
import { verifyVideo } from './outputs/verify.ts';
import type { TaskOutput } from './task.ts';
import { roundedSeconds, type TaskContext } from './task-context.ts';
import { videoSeconds } from './video-input.ts';
import { verifyVideoSound } from './video-sound.ts';
import { whyNotJoined } from './web-safe.ts';

interface Joined {
  readonly published: Published;
  readonly frames: number;
}

export async function concatenate(parameters: ConcatenationParameters, context: TaskContext): Promise<TaskOutput> {
  const destination = context.destination(parameters);
  const sources = await openClips(parameters, context);
  const videos = sources.map(({ video }) => video);
  const canvas = canvasOf(videos);
  const { toneMaps, report: hdr } = await planHdr(videos, context);

  async function join(clips: readonly PlacedClip[], pictures: ClipPictures): Promise<Joined> {
    await makeClips(clips, canvas, pictures, context);
    const frames = clips.reduce((sum, clip) => sum + clip.frames, 0);
    const file = context.workspace.path('concatenated.mp4');
    const make = () => joinClips(clips, canvas, parameters.audio_kbps, file, context);
    const verify = async (info: MediaInfo) => {
      verifyJoined(info, canvas, frames);
      const sound = { kind: 'encoded', seconds: [frames / framesPerSecond(canvas.rate)], channels: CUT_CHANNELS } as const;
      await verifyVideoSound(file, info, sound, context);
    };
    return { frames, published: await publish({ file, make, contentType: 'video/mp4', destination, verify }, context) };
  }

  // Whoever names a quality wants it made.
  const obstacle = parameters.crf === undefined ? whyNotJoined(sources) : 'a quality was asked for';
  const copy = obstacle === undefined ? await unlessUnfit(() => join(placeAsTheyAre(sources), 'copied'), context) : undefined;
  const { value, report }: Climbed<Joined> =
    copy === undefined
      ? await onLadder({ size: canvas, cpuFilters: CANVAS_FILTERS }, videos, context, (rung) =>
          // One encoder for all clips: joined without encoding again, they share one stream's parameters.
          join(placeOn(canvas, sources), { rung, crf: parameters.crf, toneMaps }),
        )
      : { value: copy, report: copyReport('the clips are coded alike and play everywhere as they are') };

  const { width, height } = canvas;
  return {
    statusCode: 200,
    body: 'Concatenated.',
    output_uri: destination.reportedUri,
    clips: sources.length,
    ...{ width, height, frames: value.frames },
    duration_sec: roundedSeconds(value.published.info.durationSeconds ?? 0),
    ...report,
    ...hdr,
    ...(obstacle === undefined ? {} : { not_copied_reason: obstacle }),
    bytes_written: value.published.sizeBytes,
  };
}

const CANVAS_FILTERS = 'the clips are fitted to one canvas, which the CPU does';

function placeOn(canvas: Canvas, sources: readonly SourceClip[]): PlacedClip[] {
  const lengths = sources.map(({ info, input }) => videoSeconds(info, input.label));
  return placeClips(sources, frameCounts(lengths, canvas.rate));
}

function placeAsTheyAre(sources: readonly SourceClip[]): PlacedClip[] {
  return placeClips(
    sources,
    sources.map(({ video }) => video.frames ?? 0),
  );
}

async function joinClips(
  clips: readonly PlacedClip[],
  canvas: Canvas,
  audioKbps: number | undefined,
  outputFile: string,
  { workspace, media }: TaskContext,
): Promise<ToolEnd> {
  const listFile = workspace.path('clips.ffconcat');
  const entries = clips.map(({ frames }, index) => ({ file: clipFile(index), frames }));
  await writeFile(listFile, concatList(entries, canvas.rate));
  const audioFile = workspace.path(AUDIO_FILE);
  const args = joinArguments({ listFile, audioFile, rate: canvas.rate, audioKbps, outputFile });
  return media.run(() => args, { cwd: workspace.directory });
}

/** Containers round to their own units, and nothing else may. */
const EXACT_SECONDS = 0.002;

/** Throws OUTPUT_INVALID unless every frame is there and the whole lasts exactly as long as they do. */
function verifyJoined(info: MediaInfo, canvas: Canvas, frames: number): void {
  const { width, height } = canvas;
  const wanted = frames / framesPerSecond(canvas.rate);
  verifyVideo(info, { width, height, audio: true, videoSeconds: wanted, frames });
  const found = info.video?.durationSeconds ?? 0;
  if (Math.abs(found - wanted) <= EXACT_SECONDS) return;
  throw new MillraceError('OUTPUT_INVALID', `Nothing was uploaded: the pictures last ${found} s, not ${wanted} s.`);
}
