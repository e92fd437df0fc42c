/** What a worker without care does for one segment: fetch the whole master, cut it with ffmpeg, upload, forget. */
import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface NaiveTrim {
  readonly ffmpeg: string;
  readonly directory: string;
  readonly sourceUrl: string;
  readonly uploadUrl: string;
  readonly startSeconds: number;
  readonly durationSeconds: number;
}

/** Throws where the master cannot be fetched, cut or uploaded. */
export async function trimNaively(trim: NaiveTrim): Promise<void> {
  const directory = await mkdtemp(join(trim.directory, 'naive-'));
  const source = join(directory, 'source');
  const output = join(directory, 'output.wav');
  try {
    await download(trim.sourceUrl, source);
    const seek = ['-ss', String(trim.startSeconds), '-i', source, '-t', String(trim.durationSeconds)];
    const format = ['-vn', '-ar', '48000', '-ac', '2', '-c:a', 'pcm_s16le', output];
    await execute(trim.ffmpeg, ['-nostdin', '-v', 'error', '-y', ...seek, ...format]);
    await upload(output, trim.uploadUrl);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

// Plain node:http, as the worker's own requests: the naive way is not to lose by the streams of fetch.
async function download(url: string, file: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    request(url, (response) => {
      if (response.statusCode !== 200) reject(new Error(`The master was answered with ${response.statusCode}.`));
      else pipeline(response, createWriteStream(file)).then(resolve, reject);
    })
      .once('error', reject)
      .end();
  });
}

async function upload(file: string, url: string): Promise<void> {
  const { size } = await stat(file);
  await new Promise<void>((resolve, reject) => {
    const put = request(url, { method: 'PUT', headers: { 'content-length': size } }, (response) => {
      response.resume().once('end', resolve);
    }).once('error', reject);
    pipeline(createReadStream(file), put).catch(reject);
  });
}
