/** One segment of a master: cut, checked, uploaded. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { MillraceError } from '../errors.ts';
import type { AudioTrimSegment } from '../manifests/tasks.ts';
import type { AudioMaster } from './audio-master.ts';
import { type PcmLayout, pcmSpan } from './audio-pcm.ts';
import {
  audioCutArguments,
  CUT_BLOCK_BYTES,
  CUT_CHANNELS,
  CUT_SAMPLE_RATE,
  measuredPeakDbfs,
} from './ffmpeg/arguments/audio-cut.ts';
import type { Destination } from './outputs/destination.ts';
import { verifySound } from './outputs/verify-sound.ts';
import type { TaskOutput } from './task.ts';
import type { TaskContext } from './task-context.ts';
import { appendAll, appendSilence, WAV_HEADER_BYTES, wavHeader } from './wav.ts';

const FORMAT = { sampleRate: CUT_SAMPLE_RATE, channels: CUT_CHANNELS };

/** Encoders pad and headers round: a segment may end this much past its master, and gets silence there. */
const MAX_OVERHANG_SECONDS = 0.05;
/** Headers of compressed sound are only about right; beyond this no decoding is needed to know. */
const HEADER_ERROR_SECONDS = 0.1;

interface SegmentSamples {
  readonly start: number;
  readonly count: number;
  /** With the padding to `target_sec`. */
  readonly total: number;
}

export function segmentSamples({
  start_sec,
  duration_sec,
  target_sec,
}: Pick<AudioTrimSegment, 'start_sec' | 'duration_sec' | 'target_sec'>): SegmentSamples {
  const samples = (seconds: number) => Math.round(seconds * CUT_SAMPLE_RATE);
  const count = Math.max(1, samples(duration_sec));
  return { start: samples(start_sec), count, total: Math.max(count, samples(target_sec ?? 0)) };
}

/** `name` is one of ours. Throws INPUT_TOO_SHORT, INPUT_INVALID, TOO_LARGE and what running, checking and uploading throw. */
export async function trimSegment(
  segment: AudioTrimSegment,
  master: AudioMaster,
  destination: Destination,
  name: string,
  context: TaskContext,
): Promise<TaskOutput> {
  const wanted = segmentSamples(segment);
  const endSeconds = segment.start_sec + segment.duration_sec;
  const known = master.durationSeconds;
  if (known !== undefined && endSeconds > known + MAX_OVERHANG_SECONDS + HEADER_ERROR_SECONDS) {
    throw tooShort(endSeconds, known, master);
  }

  const file = context.workspace.path(`${name}.wav`);
  try {
    const { got, crc, sourcePeakDbfs } = await writeCut(file, wanted, master, context);
    const missingSeconds = (wanted.count - got) / CUT_SAMPLE_RATE;
    if (missingSeconds > MAX_OVERHANG_SECONDS) {
      const foundSeconds =
        got === 0 ? Math.min(known ?? segment.start_sec, segment.start_sec) : (wanted.start + got) / CUT_SAMPLE_RATE;
      const promised = known !== undefined && known > foundSeconds + HEADER_ERROR_SECONDS;
      throw promised ? damaged(foundSeconds, known, master) : tooShort(endSeconds, foundSeconds, master);
    }
    const expected = {
      ...{ samples: wanted.total, soundingSamples: got, crc, sourcePeakDbfs },
      ...{ sourceRate: master.sampleRate, sourceChannels: master.channels },
    };
    const peakDbfs = await context.trace.span('verify', {}, () => verifySound(file, expected));
    const sizeBytes = WAV_HEADER_BYTES + wanted.total * CUT_BLOCK_BYTES;
    await context.upload(destination, { sizeBytes, contentType: 'audio/wav', open: () => createReadStream(file) });
    return {
      statusCode: 200,
      body: 'Trimmed.',
      output_uri: destination.reportedUri,
      samples: wanted.total,
      duration_sec: wanted.total / CUT_SAMPLE_RATE,
      padded_samples: wanted.total - got,
      peak_dbfs: Number.isFinite(peakDbfs) ? Math.round(peakDbfs * 10) / 10 : null,
      bytes_written: sizeBytes,
    };
  } finally {
    // A thousand segments share one workspace.
    await rm(file, { force: true });
  }
}

interface WrittenCut {
  /** How many samples the master had. */
  readonly got: number;
  /** Of these, as they came. */
  readonly crc: number;
  /** Of the span in the source; `undefined` where nothing was measured. */
  readonly sourcePeakDbfs: number | undefined;
}

/** Writes the file whole, silence included. */
async function writeCut(file: string, wanted: SegmentSamples, master: AudioMaster, context: TaskContext): Promise<WrittenCut> {
  const handle = await open(file, 'w');
  try {
    await appendAll(handle, wavHeader(FORMAT, wanted.total * CUT_BLOCK_BYTES));
    const sink = createSink(handle, wanted.count * CUT_BLOCK_BYTES);
    const sourcePeakDbfs = await (master.pcm === undefined
      ? decodeSpan(wanted, master, sink, context)
      : copySpan(wanted, master, master.pcm, sink));
    await appendSilence(handle, wanted.total * CUT_BLOCK_BYTES - sink.bytes());
    return { got: Math.floor(sink.bytes() / CUT_BLOCK_BYTES), crc: sink.crc(), sourcePeakDbfs };
  } finally {
    await handle.close();
  }
}

interface SampleSink {
  append(chunk: Buffer): Promise<void>;
  bytes(): number;
  crc(): number;
}

function createSink(handle: FileHandle, limitBytes: number): SampleSink {
  let bytes = 0;
  let crc = 0;
  return {
    async append(chunk) {
      const taken = chunk.subarray(0, limitBytes - bytes);
      bytes += taken.length;
      crc = crc32(taken, crc);
      await appendAll(handle, taken);
    },
    bytes: () => bytes,
    crc: () => crc,
  };
}

/** Answers the peak of the span as it was decoded. */
async function decodeSpan(
  span: SegmentSamples,
  master: AudioMaster,
  sink: SampleSink,
  { media }: TaskContext,
): Promise<number | undefined> {
  const { data, streamIndex, sampleRate: sourceRate, delaySeconds } = master;
  const end = await media.run((at) => audioCutArguments({ location: at(data), streamIndex, sourceRate, delaySeconds, span }), {
    onStdout: (chunk) => sink.append(chunk),
  });
  return measuredPeakDbfs(end.stderrTail);
}

/** What is copied needs no second measurement: the checksum says that it arrived. */
async function copySpan(span: SegmentSamples, { data }: AudioMaster, pcm: PcmLayout, sink: SampleSink): Promise<undefined> {
  for await (const chunk of pcmSpan(data, pcm, span)) await sink.append(chunk);
}

function tooShort(endSeconds: number, masterSeconds: number, { label }: AudioMaster): MillraceError {
  const message = `The segment ends at ${endSeconds.toFixed(3)} s, but ${label} ends at ${masterSeconds.toFixed(3)} s.`;
  return new MillraceError('INPUT_TOO_SHORT', message, {
    context: { segment_end_sec: endSeconds, source_end_sec: masterSeconds },
  });
}

function damaged(foundSeconds: number, knownSeconds: number, { label }: AudioMaster): MillraceError {
  const message = `The sound of ${label} breaks off at ${foundSeconds.toFixed(3)} s, although its header says ${knownSeconds.toFixed(3)} s.`;
  return new MillraceError('INPUT_INVALID', message);
}
