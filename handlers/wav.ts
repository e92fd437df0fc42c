/** WAV files of 16-bit PCM, written to an exact number of samples. */
import type { FileHandle } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';

export const WAV_HEADER_BYTES = 44;
const BITS_PER_SAMPLE = 16;
const PCM_FORMAT = 1;
/** The header counts bytes in 32 bits. */
export const MAX_WAV_DATA_BYTES = 0xffff_ffff - WAV_HEADER_BYTES;

export interface WavFormat {
  readonly sampleRate: number;
  readonly channels: number;
}

/** The 44 bytes in front of `dataBytes` of samples. Throws TOO_LARGE. */
export function wavHeader({ sampleRate, channels }: WavFormat, dataBytes: number): Buffer {
  if (dataBytes > MAX_WAV_DATA_BYTES) {
    throw new MillraceError('TOO_LARGE', `A WAV file cannot hold ${dataBytes} bytes of sound; cut it into shorter segments.`);
  }
  const blockBytes = (channels * BITS_PER_SAMPLE) / 8;
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(WAV_HEADER_BYTES - 8 + dataBytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(PCM_FORMAT, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * blockBytes, 28);
  header.writeUInt16LE(blockBytes, 32);
  header.writeUInt16LE(BITS_PER_SAMPLE, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(dataBytes, 40);
  return header;
}

const SILENCE = Buffer.alloc(64 * 1024);

/** Appends `bytes` of silence. */
export async function appendSilence(handle: FileHandle, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= SILENCE.length) {
    await appendAll(handle, SILENCE.subarray(0, Math.min(left, SILENCE.length)));
  }
}

/** `write` may take only a part where the disk is nearly full. */
export async function appendAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset);
    offset += bytesWritten;
  }
}
