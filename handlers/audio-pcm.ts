/**
 * WAV masters whose samples are those of the output already (48 kHz, stereo, 16 bit): a cut is a copy of bytes, read where they are,
 * without ffmpeg.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CUT_BLOCK_BYTES, CUT_CHANNELS, CUT_SAMPLE_RATE } from './ffmpeg/arguments/audio-cut.ts';
import type { MediaData } from './media.ts';

export interface PcmLayout {
  /** Where the first sample is in the file. */
  readonly offsetBytes: number;
  /** Of both channels together; each has 4 bytes. */
  readonly samples: number;
}

const PCM_FORMAT = 1;
const BITS_PER_SAMPLE = 16;
/** Files have a handful: a broadcast extension, a list of texts, a cue sheet. */
const MAX_CHUNKS = 64;
const FORMAT_BYTES = 16;

/** `undefined` for everything that is not plainly so, RF64 and files that break off among it: ffmpeg knows more than this. */
export async function pcmLayout(data: MediaData): Promise<PcmLayout | undefined> {
  const totalBytes = 'file' in data ? (await stat(data.file)).size : data.reader.totalBytes;
  const riff = await bytesAt(data, 0, 12, totalBytes);
  if (riff?.toString('latin1', 0, 4) !== 'RIFF' || riff.toString('latin1', 8, 12) !== 'WAVE') return undefined;
  let isExact = false;
  let offset = 12;
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks++) {
    const head = await bytesAt(data, offset, 8, totalBytes);
    if (head === undefined) return undefined;
    const name = head.toString('latin1', 0, 4);
    const sizeBytes = head.readUInt32LE(4);
    offset += 8;
    if (name === 'fmt ') {
      const format = await bytesAt(data, offset, FORMAT_BYTES, totalBytes);
      isExact = format !== undefined && isOutputFormat(format);
    }
    if (name === 'data') {
      if (!isExact || sizeBytes === 0 || offset + sizeBytes > totalBytes) return undefined;
      return { offsetBytes: offset, samples: Math.floor(sizeBytes / CUT_BLOCK_BYTES) };
    }
    // Chunks begin at even places.
    offset += sizeBytes + (sizeBytes % 2);
  }
  return undefined;
}

function isOutputFormat(format: Buffer): boolean {
  return (
    format.readUInt16LE(0) === PCM_FORMAT &&
    format.readUInt16LE(2) === CUT_CHANNELS &&
    format.readUInt32LE(4) === CUT_SAMPLE_RATE &&
    format.readUInt16LE(12) === CUT_BLOCK_BYTES &&
    format.readUInt16LE(14) === BITS_PER_SAMPLE
  );
}

/** The bytes of a span of samples, as far as the file has them. Throws what reading the input throws. */
export async function* pcmSpan(
  data: MediaData,
  layout: PcmLayout,
  span: { start: number; count: number },
): AsyncGenerator<Buffer> {
  const count = Math.min(span.count, layout.samples - span.start);
  if (count <= 0) return;
  const start = layout.offsetBytes + span.start * CUT_BLOCK_BYTES;
  const end = start + count * CUT_BLOCK_BYTES - 1;
  if ('reader' in data) data.reader.prefetch(start, end);
  yield* read(data, start, end);
}

function read(data: MediaData, start: number, end: number): AsyncIterable<Buffer> {
  return 'file' in data ? createReadStream(data.file, { start, end }) : data.reader.read(start, end);
}

async function bytesAt(data: MediaData, start: number, length: number, totalBytes: number): Promise<Buffer | undefined> {
  if (start + length > totalBytes) return undefined;
  return Buffer.concat(await Array.fromAsync(read(data, start, start + length - 1)));
}
