/** One chunk of a video, for the tasks that encode one: its pictures, exactly. */
import { MillraceError } from '../errors.ts';
import type { Chunk } from '../manifests/chunks.ts';
import { chunkArguments, rateOf } from './ffmpeg/arguments/chunk.ts';
import type { PictureSize } from './ffmpeg/arguments/picture-path.ts';
import { framesPerSecond, type MediaInfo, type VideoStream } from './ffmpeg/probe.ts';
import { percentOf } from './ffmpeg/progress.ts';
import { planHdr } from './hdr.ts';
import type { OpenInput } from './inputs/open-input.ts';
import { type Climbed, onLadder, onRung } from './ladder.ts';
import type { Destination } from './outputs/destination.ts';
import { type Published, publish } from './outputs/publish.ts';
import { verifyVideo } from './outputs/verify.ts';
import type { TaskOutput } from './task.ts';
import { roundedSeconds, type TaskContext } from './task-context.ts';

export interface ChunkWork {
  readonly chunk: Chunk;
  readonly input: OpenInput;
  readonly info: MediaInfo;
  readonly video: VideoStream;
  readonly size: PictureSize;
  readonly crf?: number;
  /** A filter that draws on the pictures, and the environment that it needs. */
  readonly drawing?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly destination: Destination;
}

type PlannedWork = ChunkWork & { readonly toneMaps: boolean };

/** Throws OUTPUT_INVALID where there are not exactly the pictures that the chunk names. */
export async function encodeChunk(work: ChunkWork, context: TaskContext): Promise<TaskOutput> {
  const { chunk, size, video, destination } = work;
  const hdr = await planHdr([video], context);
  const { value, report } = await encodeSought({ ...work, toneMaps: hdr.toneMaps }, context);
  return {
    statusCode: 200,
    body: 'Encoded a chunk.',
    output_uri: destination.reportedUri,
    ...size,
    ...{ start_frame: chunk.start_frame, frames: value.info.video?.frames ?? 0 },
    duration_sec: roundedSeconds(value.info.durationSeconds ?? 0),
    ...report,
    ...hdr.report,
    bytes_written: value.sizeBytes,
  };
}

/** An index may lead past the chunk's first pictures. Read from its beginning every file is exact, if slow. */
async function encodeSought(work: PlannedWork, context: TaskContext): Promise<Climbed<Published>> {
  try {
    return await encodeFrom(work, false, context);
  } catch (thrown) {
    if (!(thrown instanceof MillraceError) || thrown.code !== 'OUTPUT_INVALID' || context.signal.aborted) throw thrown;
    context.log.warn({ error: thrown }, 'the chunk is not whole where the index led; reading from the beginning');
    return encodeFrom(work, true, context);
  }
}

function encodeFrom(work: PlannedWork, unsought: boolean, context: TaskContext): Promise<Climbed<Published>> {
  const { chunk, input, info, video, size, destination, env } = work;
  const outputFile = context.workspace.path('chunk.mp4');
  const videoSeconds = chunk.frames / framesPerSecond(rateOf(chunk));
  const startSeconds = info.startSeconds ?? 0;
  return onLadder({ size }, [video], context, (rung) => {
    const run = () =>
      context.media.run((at) => chunkArguments({ ...work, startSeconds, unsought, rung, location: at(input.data), outputFile }), {
        cwd: context.workspace.directory,
        ...(env === undefined ? {} : { env }),
        onProgress: (progress) => context.progress(percentOf(progress, videoSeconds), progress.speed),
      });
    // How long pictures of uneven pace last is told with the sound alone, so it is looked at once they are joined.
    const isTold = chunk.to_end !== true || video.constantRate;
    const expected = { ...size, audio: false, videoSeconds: isTold ? videoSeconds : undefined };
    return publish(
      {
        ...{ file: outputFile, make: () => onRung(rung, context, run), contentType: 'video/mp4', destination },
        // Where the source ends nothing but its header knows how many there should be.
        verify: (made) => verifyVideo(made, chunk.to_end === true ? expected : { ...expected, frames: chunk.frames }),
      },
      context,
    );
  });
}
