/** The masters that are cut: noise like a crowd's, ten minutes of it encoded and then repeated without encoding again. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MasterFile } from './origin.ts';

const execute = promisify(execFile);
const REPEATED_SECONDS = 600;

export const MASTER_FORMATS = ['m4a', 'mp3', 'wav'] as const;
export type MasterFormat = (typeof MASTER_FORMATS)[number];

const CODECS: Readonly<Record<MasterFormat, readonly string[]>> = {
  m4a: ['-c:a', 'aac', '-b:a', '128k'],
  mp3: ['-c:a', 'libmp3lame', '-b:a', '128k'],
  wav: ['-c:a', 'pcm_s16le'],
};

/** 48 kHz, stereo. `minutes` is a multiple of ten. */
export async function makeMaster(ffmpeg: string, directory: string, format: MasterFormat, minutes: number): Promise<MasterFile> {
  const part = join(directory, `part.${format}`);
  const file = join(directory, `master.${format}`);
  const noise = `anoisesrc=color=pink:sample_rate=48000:amplitude=0.5:seed=7:duration=${REPEATED_SECONDS}`;
  const repetitions = Math.round((minutes * 60) / REPEATED_SECONDS) - 1;
  await execute(ffmpeg, ['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', noise, '-ac', '2', ...CODECS[format], part]);
  await execute(ffmpeg, ['-nostdin', '-v', 'error', '-y', '-stream_loop', String(repetitions), '-i', part, '-c', 'copy', file]);
  return { file, sizeBytes: (await stat(file)).size };
}
