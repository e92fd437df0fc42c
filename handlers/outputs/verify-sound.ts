/**
 * Is the sound in the file the sound that was asked for? A header with the right count of samples says nothing about what they are:
 * a silent file has it too.
 */
import { createReadStream } from 'node:fs';
import { crc32 } from 'node:zlib';
import { MillraceError } from '../../errors.ts';
import { pcmLayout } from '../audio-pcm.ts';
import { CUT_BLOCK_BYTES, CUT_SAMPLE_RATE } from '../ffmpeg/arguments/audio-cut.ts';
import { WAV_HEADER_BYTES } from '../wav.ts';

export interface SoundExpectation {
  /** Of each channel, silence at the end included. */
  readonly samples: number;
  /** Those that came from the source; silence after them. */
  readonly soundingSamples: number;
  /** Of the sounding samples, as they came from the source. */
  readonly crc: number;
  /** The peak of the same span as the decoder gave it, in dBFS; `undefined` where it was not measured. */
  readonly sourcePeakDbfs: number | undefined;
  readonly sourceRate: number;
  readonly sourceChannels: number;
}

/** Below this the rounding to 16 bits and a codec's own noise say more than the sound. */
const QUIET_DBFS = -40;
/** The same samples, rounded. */
const EXACT_DB = 1;
/** Peaks move between samples when the rate changes, and mono may be 3 dB lower on each of two channels. */
const RESAMPLED_DB = 12;
/** What a mix of more channels, or half the spectrum, loses may rightly be much: only silence is not right. */
const REDUCED_DB = 40;

/** Reads a WAV file of ours, header and all, anew. Answers its peak in dBFS, -Infinity for silence. Throws OUTPUT_INVALID. */
export async function verifySound(file: string, expected: SoundExpectation): Promise<number> {
  const layout = await pcmLayout({ file });
  if (layout?.offsetBytes !== WAV_HEADER_BYTES || layout.samples !== expected.samples) {
    throw invalid(`the output's header does not say ${expected.samples} samples of 16 bits in stereo at ${CUT_SAMPLE_RATE} Hz`);
  }
  const soundingBytes = expected.soundingSamples * CUT_BLOCK_BYTES;
  let bytes = 0;
  let crc = 0;
  let peak = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { start: WAV_HEADER_BYTES })) {
    const sounding: Buffer = chunk.subarray(0, Math.max(0, soundingBytes - bytes));
    crc = crc32(sounding, crc);
    bytes += chunk.length;
    const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const even = whole.length - (whole.length % 2);
    for (let offset = 0; offset < even; offset += 2) peak = Math.max(peak, Math.abs(whole.readInt16LE(offset)));
    rest = whole.subarray(even);
  }
  if (bytes !== expected.samples * CUT_BLOCK_BYTES) {
    throw invalid(`the output holds ${bytes} bytes of sound, not ${expected.samples * CUT_BLOCK_BYTES}`);
  }
  if (crc !== expected.crc) throw invalid('the output does not hold the samples that were decoded');
  const peakDbfs = 20 * Math.log10(peak / 32_768);
  verifyLevel(peakDbfs, expected);
  return peakDbfs;
}

function verifyLevel(peakDbfs: number, { sourcePeakDbfs, sourceRate, sourceChannels }: SoundExpectation): void {
  if (sourcePeakDbfs === undefined || sourcePeakDbfs < QUIET_DBFS) return;
  // What is louder than 16 bits can say is cut off there.
  const wanted = Math.min(sourcePeakDbfs, 0);
  const isReduced = sourceChannels > 2 || sourceRate > CUT_SAMPLE_RATE;
  const isSame = sourceChannels === 2 && sourceRate === CUT_SAMPLE_RATE;
  const tolerance = isReduced ? REDUCED_DB : isSame ? EXACT_DB : RESAMPLED_DB;
  if (Math.abs(peakDbfs - wanted) <= tolerance) return;
  throw invalid(`the output peaks at ${peakDbfs.toFixed(1)} dBFS where its source peaks at ${sourcePeakDbfs.toFixed(1)} dBFS`);
}

function invalid(what: string): MillraceError {
  return new MillraceError('OUTPUT_INVALID', `Nothing was uploaded: ${what}.`);
}
