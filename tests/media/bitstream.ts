/** Facts about a file's contents, by decoding it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Tools } from '../../handlers/ffmpeg/locate.ts';
import { type MediaInfo, probe } from '../../handlers/ffmpeg/probe.ts';
import { ffmpeg } from './generate.ts';

const execute = promisify(execFile);

export async function mediaOf(tools: Tools, file: string): Promise<MediaInfo> {
  return probe({ file }, { ffprobe: tools.ffprobe, signal: new AbortController().signal });
}

/** The whole file's sound at 48 kHz, stereo: left and right in turn. */
export async function decodedSound(tools: Tools, file: string): Promise<Int16Array> {
  const filters = 'aresample=48000,aformat=sample_fmts=s16:channel_layouts=stereo';
  return samplesOf(await ffmpeg(tools.ffmpeg, ['-i', file, '-map', '0:a:0', '-af', filters, '-f', 's16le', '-']));
}

export function samplesOf(bytes: Buffer): Int16Array {
  const copy = Uint8Array.from(bytes.subarray(0, bytes.length - (bytes.length % 2)));
  return new Int16Array(copy.buffer);
}

/** The largest difference between two pieces of sound; Infinity where they are not equally long. */
export function largestDifference(a: Int16Array, b: Int16Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((largest, sample, index) => Math.max(largest, Math.abs(sample - (b[index] ?? 0))), 0);
}

/** The loudest sample between two times, 0 to 32768. */
export function peak(sound: Int16Array, fromSeconds: number, toSeconds: number): number {
  return sound
    .subarray(Math.round(fromSeconds * 48_000) * 2, Math.round(toSeconds * 48_000) * 2)
    .reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
}

/** The picture at a time, as grey values. */
export async function pictureAt(tools: Tools, file: string, atSeconds: number): Promise<Buffer> {
  return ffmpeg(tools.ffmpeg, [
    '-ss',
    String(atSeconds),
    '-i',
    file,
    '-frames:v',
    '1',
    '-pix_fmt',
    'gray',
    '-f',
    'rawvideo',
    '-',
  ]);
}

/** The mean difference between two pictures' grey values, 0 to 255; Infinity where their sizes differ. */
export function pictureDifference(a: Buffer, b: Buffer): number {
  if (a.length !== b.length || a.length === 0) return Number.POSITIVE_INFINITY;
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
}

/** When each picture is shown, in seconds, in order. */
export async function pictureTimes(tools: Tools, file: string): Promise<number[]> {
  const args = ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', file];
  const { stdout } = await execute(tools.ffprobe, args);
  const times = stdout.split(/[\n,]+/).filter((text) => text.trim() !== '');
  return times.map(Number).sort((a, b) => a - b);
}

/** Every picture that is shown, in order, as grey values at a small size. */
export async function greyPictures(tools: Tools, file: string): Promise<Buffer[]> {
  const { width, height } = GREY_SIZE;
  const scaled = `scale=${width}:${height}:flags=area`;
  const bytes = await ffmpeg(tools.ffmpeg, [
    '-i',
    file,
    '-map',
    '0:v:0',
    '-vf',
    scaled,
    '-vsync',
    '0',
    '-pix_fmt',
    'gray',
    '-f',
    'rawvideo',
    '-',
  ]);
  const size = width * height;
  return Array.from({ length: bytes.length / size }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

const GREY_SIZE = { width: 96, height: 54 };
