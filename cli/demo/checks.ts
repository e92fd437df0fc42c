/** What every output of the demo must be, measured on the file itself and not believed from a result. */
import { readFile, stat } from 'node:fs/promises';
import { asMillraceError } from '../../errors.ts';
import type { Tools } from '../../handlers/ffmpeg/locate.ts';
import { type MediaInfo, probe } from '../../handlers/ffmpeg/probe.ts';
import { mapInPool } from '../../handlers/pool.ts';
import { isSystemError } from '../../handlers/retry.ts';
import type { Segment } from '../../manifests/segments.ts';
import { KEYS, PORTRAIT_JOB, TALK_JOB } from './jobs.ts';
import { CANVAS, type DemoMedia, LANDSCAPE, type PictureSize, PORTRAIT, VIDEO_SECONDS } from './media.ts';
import { changedAtTheBottom, createDecoder, type Decoder, soundDifference } from './pictures.ts';
import { FRAMES_PER_SECOND, SAMPLE_RATE, SEGMENTS, segmentSeconds, speechOf } from './segments.ts';

export interface CheckedOutput {
  readonly job: string;
  /** Relative to the job's folder. */
  readonly key: string;
  readonly isRight: boolean;
  /** What was found to be right, or what is wrong, in a few words. */
  readonly finding: string;
  readonly durationSeconds: number | undefined;
  /** `640x360`, or `251,520 samples`. */
  readonly shape: string;
  readonly sizeBytes: number;
}

export interface CheckOptions {
  readonly tools: Tools;
  readonly media: DemoMedia;
  /** Where an object of a job lies on this machine. */
  readonly fileOf: (job: string, key: string) => string;
  readonly signal: AbortSignal;
}

interface Bench extends CheckOptions {
  readonly decoder: Decoder;
  readonly probe: (file: string) => Promise<MediaInfo>;
  readonly talkFile: (key: string) => string;
  /** The whole master, decoded once. */
  readonly masterSound: () => Promise<Buffer>;
}

type Judgement = { readonly isRight: boolean; readonly finding: string };

interface Check {
  readonly job: string;
  readonly key: string;
  readonly judge: (info: MediaInfo, file: string, bench: Bench) => Judgement | Promise<Judgement>;
}

const CHECKS_AT_A_TIME = 2;
const FRAME_SECONDS = 1 / FRAMES_PER_SECOND;
const DOWNSAMPLED_HEIGHT = 360;

/** Every output of both jobs, in the order in which the pipeline makes them. Throws only where `signal` was aborted. */
export async function checkOutputs(options: CheckOptions): Promise<CheckedOutput[]> {
  const { tools, signal, fileOf } = options;
  const decoder = createDecoder(tools, signal);
  let sound: Promise<Buffer> | undefined;
  const talkFile = (key: string) => fileOf(TALK_JOB, key);
  const bench: Bench = {
    ...options,
    decoder,
    talkFile,
    probe: (file) => probe({ file }, { ffprobe: tools.ffprobe, signal }),
    masterSound() {
      sound ??= decoder.sound(talkFile(KEYS.master));
      return sound;
    },
  };
  return mapInPool(CHECKS, CHECKS_AT_A_TIME, (check) => checkOne(check, bench));
}

const CHECKS: readonly Check[] = [
  { job: TALK_JOB, key: KEYS.master, judge: (_, file, { media }) => sameBytes(file, media.master) },
  { job: TALK_JOB, key: KEYS.video, judge: (_, file, { media }) => sameBytes(file, media.landscape) },
  ...SEGMENTS.map((segment, index) => ({
    job: TALK_JOB,
    key: KEYS.segment(index),
    judge: (info: MediaInfo, file: string, bench: Bench) => judgeSegment(segment, info, file, bench),
  })),
  { job: TALK_JOB, key: KEYS.downsampled, judge: (info) => judgeSmallCopy(info, LANDSCAPE) },
  { job: PORTRAIT_JOB, key: KEYS.downsampled, judge: (info) => judgeSmallCopy(info, PORTRAIT) },
  { job: TALK_JOB, key: KEYS.concatenated, judge: judgeConcatenated },
  { job: TALK_JOB, key: KEYS.output, judge: judgeExport },
];

async function checkOne({ job, key, judge }: Check, bench: Bench): Promise<CheckedOutput> {
  const file = bench.fileOf(job, key);
  let [durationSeconds, shape, sizeBytes]: [number | undefined, string, number] = [undefined, '', 0];
  try {
    sizeBytes = (await stat(file)).size;
    const info = await bench.probe(file);
    durationSeconds = info.durationSeconds;
    shape = shapeOf(info);
    return { job, key, durationSeconds, shape, sizeBytes, ...(await judge(info, file, bench)) };
  } catch (thrown) {
    bench.signal.throwIfAborted();
    const finding = isSystemError(thrown, 'ENOENT') ? 'not there' : asMillraceError(thrown).message;
    return { job, key, durationSeconds, shape, sizeBytes, isRight: false, finding };
  }
}

function shapeOf({ video, audio }: MediaInfo): string {
  if (video !== undefined) return sizeText(video);
  if (audio?.samples !== undefined) return `${audio.samples.toLocaleString('en')} samples`;
  return audio === undefined ? '' : `${audio.sampleRate / 1000} kHz`;
}

const right = (finding: string): Judgement => ({ isRight: true, finding });
const wrong = (finding: string): Judgement => ({ isRight: false, finding });
const sizeText = ({ width, height }: PictureSize): string => `${width}x${height}`;

async function sameBytes(file: string, original: string): Promise<Judgement> {
  const [found, wanted] = await Promise.all([readFile(file), readFile(original)]);
  return found.equals(wanted) ? right('byte for byte') : wrong('not the bytes that the web server sent');
}

const WAV_HEADER_BYTES = 44;
const SAMPLE_BYTES = 4;
/** Of the sound's loudness. A shift by a single sample makes a few hundredths; a decoder that starts elsewhere, far less. */
const MAX_SOUND_DIFFERENCE = 0.005;

async function judgeSegment(segment: Segment, info: MediaInfo, file: string, bench: Bench): Promise<Judgement> {
  const samples = Math.round(segmentSeconds(segment) * SAMPLE_RATE);
  const { audio } = info;
  if (audio?.sampleRate !== SAMPLE_RATE || audio.channels !== 2 || audio.codec !== 'pcm_s16le')
    return wrong('not 48 kHz, stereo, 16 bits');
  if (audio.samples !== samples) return wrong(`${samples.toLocaleString('en')} samples were asked for`);
  const cutBytes = Math.round(segment.duration_sec * SAMPLE_RATE) * SAMPLE_BYTES;
  const start = Math.round(segment.start_sec * SAMPLE_RATE) * SAMPLE_BYTES;
  const data = (await readFile(file)).subarray(WAV_HEADER_BYTES);
  const master = (await bench.masterSound()).subarray(start, start + cutBytes);
  const difference = soundDifference(master, data.subarray(0, cutBytes));
  if (difference > MAX_SOUND_DIFFERENCE) return wrong(`not the master's sound from ${segment.start_sec} s`);
  if (data.subarray(cutBytes).some((byte) => byte !== 0)) return wrong('the padding is not silent');
  return right(segment.target_sec === undefined ? 'exact, and in place' : `exact, padded to ${segment.target_sec} s`);
}

function judgeSmallCopy({ video, audio, durationSeconds = 0 }: MediaInfo, source: PictureSize): Judgement {
  if (video === undefined || audio === undefined) return wrong(video === undefined ? 'no pictures' : 'no sound');
  if (video.height !== DOWNSAMPLED_HEIGHT) return wrong(`not ${DOWNSAMPLED_HEIGHT} lines`);
  const exactWidth = (source.width * DOWNSAMPLED_HEIGHT) / source.height;
  if (video.width % 2 !== 0 || Math.abs(video.width - exactWidth) > 1) return wrong(`not the shape of ${sizeText(source)}`);
  if (Math.abs(durationSeconds - VIDEO_SECONDS) > FRAME_SECONDS + AUDIO_FRAME_SECONDS) return wrong(`not ${VIDEO_SECONDS} s`);
  return right(`shaped like ${sizeText(source)}`);
}

/** AAC counts in frames of 1,024 samples, at both ends. */
const AUDIO_FRAME_SECONDS = (2 * 1024) / SAMPLE_RATE;

async function judgeConcatenated(info: MediaInfo, _: string, bench: Bench): Promise<Judgement> {
  const clips = await Promise.all(SEGMENTS.map((_segment, index) => bench.probe(bench.talkFile(KEYS.clip(index)))));
  const total = clips.reduce((sum, clip) => sum + (clip.video?.durationSeconds ?? 0), 0);
  const { video, audio } = info;
  if (video === undefined || audio === undefined) return wrong(video === undefined ? 'no pictures' : 'no sound');
  if (sizeText(video) !== sizeText(CANVAS)) return wrong(`not the clips' usual ${sizeText(CANVAS)}`);
  const offSeconds = Math.abs((video.durationSeconds ?? 0) - total);
  if (!(offSeconds <= clips.length * FRAME_SECONDS)) return wrong(`the clips together last ${total.toFixed(3)} s`);
  return right(`${clips.length} clips, ${(offSeconds * 1000).toFixed(0)} ms off`);
}

/** Of the lowest quarter of the picture. A line of text covers about a hundredth of it with what was not there before. */
const MIN_SUBTITLE_SHARE = 0.005;
const MAX_OTHER_SHARE = 0.0005;
const SUBTITLED_SEGMENT = 3;

async function judgeExport(info: MediaInfo, file: string, bench: Bench): Promise<Judgement> {
  const joined = bench.talkFile(KEYS.concatenated);
  const wanted = (await bench.probe(joined)).video;
  const { video, audio } = info;
  if (video === undefined || audio === undefined) return wrong(video === undefined ? 'no pictures' : 'no sound');
  if (wanted === undefined || sizeText(video) !== sizeText(wanted)) return wrong('not the size of concatenated.mp4');
  if (Math.abs((video.durationSeconds ?? 0) - (wanted.durationSeconds ?? 0)) > FRAME_SECONDS)
    return wrong(`concatenated.mp4 lasts ${wanted.durationSeconds?.toFixed(3)} s`);
  const changedAt = async (seconds: number) => {
    const [before, after] = await Promise.all([joined, file].map((of) => bench.decoder.grayFrame(of, seconds)));
    return before === undefined || after === undefined ? Number.NaN : changedAtTheBottom(before, after, video);
  };
  const { from, to } = speechOf(SEGMENTS[SUBTITLED_SEGMENT] ?? { start_sec: 0, duration_sec: 0 });
  const inSpeech = await changedAt((from + to) / 2);
  if (!(inSpeech >= MIN_SUBTITLE_SHARE)) return wrong(`no subtitle in the picture at ${((from + to) / 2).toFixed(2)} s`);
  const inPause = await changedAt(to + FRAME_SECONDS * 5);
  if (!(inPause <= MAX_OTHER_SHARE)) return wrong(`the picture at ${(to + FRAME_SECONDS * 5).toFixed(2)} s is another one`);
  return right('subtitles are in the picture');
}
