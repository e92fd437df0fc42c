/** ENCODING: the final video. */
import { MillraceError } from '../errors.ts';
import type {
  EncodingChunkParameters,
  EncodingLegacyParameters,
  EncodingParameters,
  EncodingUriParameters,
} from '../manifests/tasks.ts';
import { encodeChunk } from './chunk.ts';
import { encodeArguments, encodedSize, encodeSoundArguments, SUBTITLES_FILTER } from './ffmpeg/arguments/encode.ts';
import { percentOf } from './ffmpeg/progress.ts';
import { prepareFonts } from './fonts.ts';
import { planHdr } from './hdr.ts';
import { onLadder, onRung } from './ladder.ts';
import { publish } from './outputs/publish.ts';
import { verifyVideo } from './outputs/verify.ts';
import { both, mapInPool } from './pool.ts';
import { chunksOf, type SplitSound, split } from './split.ts';
import { prepareSubtitles } from './subtitles.ts';
import type { TaskOutput } from './task.ts';
import { plannedEtag, roundedSeconds, type TaskContext } from './task-context.ts';
import { audioOf, openAndProbe, videoOf, videoSeconds } from './video-input.ts';
import { verifyVideoSound } from './video-sound.ts';

const FONTS_AT_A_TIME = 4;

export async function encode(parameters: EncodingParameters, context: TaskContext): Promise<TaskOutput> {
  if ('chunk' in parameters && parameters.chunk !== undefined) return encodeOneChunk(parameters, context);
  const wanted = 'input_video_uri' in parameters ? parameters : withUris(parameters);
  const { millrace } = wanted;
  const destination = context.destination(wanted);
  const look = (uri: string, field: string) => openAndProbe(uri, plannedEtag(millrace, field), context, { reading: 'whole' });
  const [{ input: videoInput, info }, { input: audioInput, info: audioInfo }] = await both(
    look(wanted.input_video_uri, 'input_video_uri'),
    look(wanted.input_audio_uri, 'input_audio_uri'),
  );
  const video = videoOf(info, videoInput.label);
  const audio = audioOf(audioInfo, audioInput.label);
  const durationSeconds = videoSeconds(info, videoInput.label);
  const sound = { kind: 'encoded', seconds: [durationSeconds], channels: 2 } as const;
  const onProgress = (progress: Parameters<typeof percentOf>[0]) =>
    context.progress(percentOf(progress, durationSeconds), progress.speed);
  const cwd = context.workspace.directory;

  const chunks = chunksOf(info, millrace, context, durationSeconds);
  if (chunks !== undefined && millrace !== undefined) {
    const toJoin: SplitSound = {
      make: (outputFile) =>
        context.media.run(
          (at) => encodeSoundArguments({ audioLocation: at(audioInput.data, 'whole'), audio, durationSeconds, outputFile }),
          { cwd, onProgress },
        ),
      verify: (made, file) => verifyVideoSound(file, made, sound, context),
    };
    return split(chunks, toJoin, millrace, context);
  }

  const env = await subtitlesEnvironment(wanted, context);
  const outputFile = context.workspace.path('encoded.mp4');

  const size = encodedSize(video);
  const { toneMaps, report: hdr } = await planHdr([video], context);
  // Pictures that come unevenly may end before their last one does; the sound then still fills the whole.
  const totalSeconds = video.constantRate ? undefined : durationSeconds;
  const { value, report } = await onLadder({ size }, [video], context, (rung) => {
    const run = () =>
      context.media.run(
        (at) =>
          encodeArguments({
            ...{ videoLocation: at(videoInput.data, 'whole'), video },
            ...{ audioLocation: at(audioInput.data, 'whole'), audio },
            ...{ subtitles: wanted.subtitles, durationSeconds, rung, toneMaps, outputFile },
          }),
        { cwd, env, onProgress },
      );
    return publish(
      {
        file: outputFile,
        make: () => onRung(rung, context, run),
        contentType: 'video/mp4',
        destination,
        verify: async (made) => {
          verifyVideo(made, { ...size, audio: true, videoSeconds: durationSeconds, totalSeconds });
          await verifyVideoSound(outputFile, made, sound, context);
        },
      },
      context,
    );
  });
  return {
    statusCode: 200,
    body: 'Encoded.',
    _id: wanted.id,
    output_uri: destination.reportedUri,
    ...size,
    duration_sec: roundedSeconds(value.info.durationSeconds ?? 0),
    subtitles: wanted.subtitles,
    ...report,
    ...hdr,
    bytes_written: value.sizeBytes,
  };
}

async function encodeOneChunk(wanted: EncodingChunkParameters, context: TaskContext): Promise<TaskOutput> {
  const destination = context.destination(wanted);
  const etag = plannedEtag(wanted.millrace, 'input_video_uri');
  const { input, info } = await openAndProbe(wanted.input_video_uri, etag, context);
  const video = videoOf(info, input.label);
  const env = await subtitlesEnvironment(wanted, context);
  const drawing = wanted.subtitles ? { drawing: SUBTITLES_FILTER } : {};
  const work = { chunk: wanted.chunk, input, info, video, size: encodedSize(video), ...drawing, env, destination };
  return { ...(await encodeChunk(work, context)), subtitles: wanted.subtitles };
}

async function subtitlesEnvironment(
  wanted: EncodingUriParameters | EncodingChunkParameters,
  context: TaskContext,
): Promise<Record<string, string>> {
  if (!wanted.subtitles) return {};
  if (wanted.subtitles_uri === undefined)
    throw new MillraceError('PARAMETERS_INVALID', 'expected subtitles_uri, because subtitles is true');
  await prepareSubtitles(await context.openInput(wanted.subtitles_uri, plannedEtag(wanted.millrace, 'subtitles_uri')), context);
  const fonts = await mapInPool(wanted.fonts_uris ?? [], FONTS_AT_A_TIME, (uri, index) =>
    context.openInput(uri, plannedEtag(wanted.millrace, 'fonts_uris', index)),
  );
  return prepareFonts(fonts, context);
}

/** The original template's first form: everything lies in one folder, under names that were agreed on. */
export function withUris(legacy: EncodingLegacyParameters): EncodingUriParameters {
  const { id, language, subtitles, millrace } = legacy;
  const [, scheme = 's3', bucket = ''] = /^(?:(s3|gs):\/\/)?([^/]+)\/*$/.exec(legacy.bucket) ?? [];
  const parts = [...legacy.bucket_parent_folder.split('/'), id].filter((part) => part !== '');
  const uri = (name: string) => `${scheme}://${bucket}/${[...parts, name].join('/')}`;
  return {
    ...{ id, language, subtitles },
    input_video_uri: uri(legacy.input_video_name),
    input_audio_uri: uri('exported_with_music.wav'),
    ...(subtitles ? { subtitles_uri: uri(`subtitles_${language}.ass`) } : {}),
    output_video_uri: uri(legacy.name),
    ...(millrace === undefined ? {} : { millrace }),
  };
}
