/** Test media, made by ffmpeg itself: short, small, and different at every moment. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

export async function ffmpeg(program: string, args: readonly string[]): Promise<Buffer> {
  const { stdout } = await execute(program, ['-nostdin', '-v', 'error', '-y', ...args], {
    encoding: 'buffer',
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return stdout;
}

/** Sounds like speech from afar: a rising pitch with a murmur in it, so that no two moments are alike. */
function talkingPitch(sampleRate: number, seconds: number): string[] {
  const left = '0.5*sin(2*PI*(200+150*t)*t)+0.2*sin(2*PI*3*t)*sin(2*PI*1700*t)';
  return ['-f', 'lavfi', '-i', `aevalsrc='${left}|0.4*sin(2*PI*(300+90*t)*t)':s=${sampleRate}:d=${seconds}`];
}

export interface AudioSpec {
  /** Its ending says the format. */
  readonly name: string;
  readonly sampleRate?: number;
  readonly seconds?: number;
  readonly codec?: readonly string[];
}

export async function makeAudio(program: string, directory: string, spec: AudioSpec): Promise<string> {
  const file = join(directory, spec.name);
  await ffmpeg(program, [...talkingPitch(spec.sampleRate ?? 48_000, spec.seconds ?? 8), ...(spec.codec ?? []), file]);
  return file;
}

export interface VideoSpec {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly seconds?: number;
  readonly fps?: string;
  readonly audio?: boolean;
  /** Degrees, as phones write it into a file's metadata. */
  readonly rotate?: number;
  readonly pixelFormat?: string;
  /** A plain colour instead of the moving pattern. */
  readonly color?: string;
}

export async function makeVideo(program: string, directory: string, spec: VideoSpec): Promise<string> {
  const file = join(directory, spec.name);
  const { seconds = 2, fps = '25' } = spec;
  const size = `s=${spec.width}x${spec.height}:r=${fps}:d=${seconds}`;
  const picture = spec.color === undefined ? `testsrc2=${size}` : `color=${spec.color}:${size}`;
  const sound = spec.audio === false ? [] : [...talkingPitch(44_100, seconds), '-c:a', 'aac'];
  await ffmpeg(program, [
    ...['-f', 'lavfi', '-i', picture, ...sound],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', spec.pixelFormat ?? 'yuv420p'],
    file,
  ]);
  return spec.rotate === undefined ? file : turned(program, file, spec.rotate);
}

/** Old versions write the rotation from a tag, and only when they copy; 7.x has an option for it. */
async function turned(program: string, file: string, degrees: number): Promise<string> {
  const output = file.replace(/\.mp4$/, '.turned.mp4');
  const copy = ['-i', file, '-c', 'copy'];
  await ffmpeg(program, ['-display_rotation', String(-degrees), ...copy, output]).catch(() =>
    ffmpeg(program, [...copy, '-metadata:s:v:0', `rotate=${degrees}`, output]),
  );
  return output;
}
