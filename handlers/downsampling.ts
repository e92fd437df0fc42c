/** DOWNSAMPLING: a smaller copy of a video. */
import type { DownsamplingParameters } from '../manifests/tasks.ts';
import { withEncoder } from './encoder-fallback.ts';
import { downsampleArguments, downsampledSize } from './ffmpeg/arguments/downsample.ts';
import { percentOf } from './ffmpeg/progress.ts';
import { publish } from './outputs/publish.ts';
import { verifyVideo } from './outputs/verify.ts';
import type { TaskOutput } from './task.ts';
import { plannedEtag, roundedSeconds, type TaskContext } from './task-context.ts';
import { expectedDuration, videoOf } from './video-input.ts';

export async function downsample(parameters: DownsamplingParameters, context: TaskContext): Promise<TaskOutput> {
  const destination = context.destination(parameters);
  const input = await context.openInput(parameters.original_video_uri, plannedEtag(parameters.millrace, 'original_video_uri'));
  const info = await context.media.probe(input.data);
  const video = videoOf(info, input.label);
  const size = downsampledSize(video, parameters.resolution);
  const outputFile = context.workspace.path('downsampled.mp4');

  const { value: end, encoder } = await withEncoder(context, (encoder) =>
    context.media.run((at) => downsampleArguments({ location: at(input.data), info, video, size, encoder, outputFile }), {
      onProgress: (progress) => context.progress(percentOf(progress, info.durationSeconds ?? 0), progress.speed),
    }),
  );

  const expected = { ...size, audio: info.audio !== undefined, ...expectedDuration(info) };
  const published = await publish(
    {
      file: outputFile,
      contentType: 'video/mp4',
      destination,
      verify: (made) => verifyVideo(made, expected),
      stderrTail: end.stderrTail,
    },
    context,
  );
  return {
    statusCode: 200,
    body: 'Downsampled.',
    output_uri: destination.reportedUri,
    ...size,
    duration_sec: roundedSeconds(published.info.durationSeconds ?? 0),
    encoder,
    bytes_written: published.sizeBytes,
  };
}
