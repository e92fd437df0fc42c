/** DOWNSAMPLING: a smaller version of a video, and the same pictures where those are small enough already. */
import type { DownsamplingParameters } from '../manifests/tasks.ts';
import { encodeChunk } from './chunk.ts';
import {
  downsampleArguments,
  downsampledSize,
  PREVIEW_CRF,
  type PreviewSound,
  previewCopyArguments,
  previewSoundArguments,
} from './ffmpeg/arguments/downsample.ts';
import { percentOf } from './ffmpeg/progress.ts';
import type { ToolEnd } from './ffmpeg/run.ts';
import { planHdr } from './hdr.ts';
import { type Climbed, copyReport, onLadder, onRung, unlessUnfit } from './ladder.ts';
import { type Published, publish } from './outputs/publish.ts';
import { verifyVideo } from './outputs/verify.ts';
import { chunksOf, type SplitSound, split } from './split.ts';
import type { TaskOutput } from './task.ts';
import { plannedEtag, roundedSeconds, type TaskContext } from './task-context.ts';
import { expectedDuration, expectedSound, openAndProbe, videoOf } from './video-input.ts';
import { verifyVideoSound } from './video-sound.ts';
import { isWebSafeSound, whyNotCopied } from './web-safe.ts';

export async function downsample(parameters: DownsamplingParameters, context: TaskContext): Promise<TaskOutput> {
  const destination = context.destination(parameters);
  const etag = plannedEtag(parameters.millrace, 'original_video_uri');
  const reading = parameters.chunk === undefined ? 'whole' : 'parts';
  const { input, info } = await openAndProbe(parameters.original_video_uri, etag, context, { reading });
  const video = videoOf(info, input.label);
  const { audio } = info;
  const size = downsampledSize(video, parameters.resolution);
  const { chunk, millrace } = parameters;
  if (chunk !== undefined) return encodeChunk({ chunk, input, info, video, size, crf: PREVIEW_CRF, destination }, context);
  const soundAs = (copied: boolean) =>
    audio === undefined ? undefined : { audio, copied: copied && isWebSafeSound(info, audio) };
  const outputFile = context.workspace.path('downsampled.mp4');
  const cwd = context.workspace.directory;
  const hdr = await planHdr([video], context);
  const made = { video, size, outputFile };
  const expected = { ...size, audio: audio !== undefined, ...expectedDuration(info) };
  const onProgress = (progress: Parameters<typeof percentOf>[0]) =>
    context.progress(percentOf(progress, info.durationSeconds ?? 0), progress.speed);
  const makeAndPublish = (make: () => Promise<ToolEnd>, sound: PreviewSound | undefined, frames?: number) =>
    publish(
      {
        ...{ file: outputFile, make, contentType: 'video/mp4', destination },
        verify: async (found) => {
          verifyVideo(found, frames === undefined ? expected : { ...expected, frames });
          if (sound !== undefined) await verifyVideoSound(outputFile, found, expectedSound(info, sound), context);
        },
      },
      context,
    );

  function copied(): Promise<Published> {
    const sound = soundAs(true);
    const make = () =>
      context.media.run((at) => previewCopyArguments({ ...made, sound, location: at(input.data, 'whole') }), { cwd, onProgress });
    return makeAndPublish(make, sound, video.frames);
  }

  /** Where a copy has just failed, the sound may be why. */
  async function encoded(sound: PreviewSound | undefined): Promise<Climbed<Published>> {
    return onLadder({ size }, [video], context, (rung) => {
      const run = () =>
        context.media.run(
          (at) => downsampleArguments({ ...made, sound, rung, toneMaps: hdr.toneMaps, location: at(input.data, 'whole') }),
          { cwd, onProgress },
        );
      return makeAndPublish(() => onRung(rung, context, run), sound);
    });
  }

  function soundToJoin(sound: PreviewSound): SplitSound {
    return {
      make: (file) => context.media.run((at) => previewSoundArguments(at(input.data, 'whole'), sound, file), { cwd, onProgress }),
      verify: (found, file) => verifyVideoSound(file, found, expectedSound(info, sound), context),
    };
  }

  const canBeCopied = whyNotCopied(info, video, size) === undefined;
  const copy = canBeCopied ? await unlessUnfit(copied, context) : undefined;
  const sound = soundAs(!canBeCopied);
  const chunks = copy === undefined ? chunksOf(info, millrace, context) : undefined;
  if (chunks !== undefined && millrace !== undefined) {
    return split(chunks, sound === undefined ? undefined : soundToJoin(sound), millrace, context);
  }
  const { value, report }: Climbed<Published> =
    copy === undefined
      ? await encoded(sound)
      : { value: copy, report: copyReport('the pictures are small enough and play everywhere as they are') };
  return {
    statusCode: 200,
    body: 'Downsampled.',
    output_uri: destination.reportedUri,
    ...size,
    duration_sec: roundedSeconds(value.info.durationSeconds ?? 0),
    ...report,
    ...hdr.report,
    bytes_written: value.sizeBytes,
  };
}
