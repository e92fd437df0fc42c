/** Looks at single frames and at sound, to see what a container's header cannot tell. */

import { ffmpegFailure } from '../../handlers/ffmpeg/failure.ts';
import type { Tools } from '../../handlers/ffmpeg/locate.ts';
import { runTool } from '../../handlers/ffmpeg/run.ts';
import { FRAMES_PER_SECOND, SAMPLE_RATE } from './segments.ts';

export interface Decoder {
  /** The brightness of every pixel, row by row, of the frame that is shown at `atSeconds`. */
  grayFrame(file: string, atSeconds: number): Promise<Buffer>;
  /** The whole file's sound: 48 kHz, stereo, 16 bits, little-endian. */
  sound(file: string): Promise<Buffer>;
}

export function createDecoder(tools: Tools, signal: AbortSignal): Decoder {
  const decode = async (args: readonly string[]): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    const end = await runTool({
      file: tools.ffmpeg,
      args: ['-nostdin', '-hide_banner', '-loglevel', 'error', ...args, '-'],
      signal,
      onStdout: (chunk) => void chunks.push(chunk),
    });
    if (end.exitCode !== 0) throw ffmpegFailure(end);
    return Buffer.concat(chunks);
  };
  return {
    grayFrame(file, atSeconds) {
      // Half a frame early, so that rounding cannot skip to the next one.
      const seek = Math.max(0, atSeconds - 0.5 / FRAMES_PER_SECOND).toFixed(3);
      return decode(['-ss', seek, '-i', file, '-map', '0:v:0', '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'gray']);
    },
    sound(file) {
      const filters = `aresample=${SAMPLE_RATE},aformat=sample_fmts=s16:channel_layouts=stereo`;
      return decode(['-i', file, '-map', '0:a:0', '-af', filters, '-f', 's16le']);
    },
  };
}

/** Encoding again moves a pixel a little; a letter in its place moves it by more than this, of 255. */
const CLEARLY_OTHER = 70;

/** The share of pixels, 0 to 1, that clearly differ in the lowest quarter of two frames of `height` rows. */
export function changedAtTheBottom(a: Buffer, b: Buffer, { width, height }: { width: number; height: number }): number {
  if (a.length !== width * height || b.length !== a.length) return Number.NaN;
  const first = width * Math.floor(height * 0.75);
  let changed = 0;
  for (let pixel = first; pixel < a.length; pixel += 1) {
    if (Math.abs((a[pixel] ?? 0) - (b[pixel] ?? 0)) > CLEARLY_OTHER) changed += 1;
  }
  return changed / (a.length - first);
}

/**
 * How much two pieces of 16-bit sound differ, against how loud the first is: 0 for the same, about 1.4 for strangers, Infinity
 * where the lengths differ or the first is silent.
 */
export function soundDifference(a: Buffer, b: Buffer): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let loudness = 0;
  for (let offset = 0; offset + 1 < a.length; offset += 2) {
    const sample = a.readInt16LE(offset);
    loudness += sample ** 2;
    difference += (sample - b.readInt16LE(offset)) ** 2;
  }
  return loudness === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(difference / loudness);
}
