import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { silentLogger } from '../../../log.ts';
import { makeAudio, makeVideo } from '../../media/generate.ts';
import { etagOf } from '../../media/origin.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { expectNoSecrets, failed, runContext, startBench, succeeded, type TaskBench } from './task-bench.ts';

describe.each(ALL_TOOLS)('what can go wrong, with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  let video: string;
  let audio: string;
  let long: string;

  beforeAll(async () => {
    bench = await startBench(tools);
    video = await makeVideo(tools.ffmpeg, bench.directory, { name: 'video.mp4', width: 640, height: 360, seconds: 2 });
    audio = await makeAudio(tools.ffmpeg, bench.directory, { name: 'audio.flac', seconds: 4 });
    long = await makeVideo(tools.ffmpeg, bench.directory, {
      name: 'long.mp4',
      width: 1280,
      height: 720,
      seconds: 10,
      fps: '30',
      audio: false,
    });
  });
  afterAll(() => bench.close());

  let names = 0;
  const downsample = (original_video_uri: string, more: Record<string, unknown> = {}, signal?: AbortSignal) =>
    bench.run(
      'DOWNSAMPLING',
      { original_video_uri, resolution: 180, output_put_url: bench.sink.url(`f${names++}.mp4`), ...more },
      signal,
    );
  const lastOutput = () => bench.sink.taken.get(`f${names - 1}.mp4`);

  it('says SOURCE_MISSING for a 404 and writes the failed result', async () => {
    const answer = await downsample(bench.origin.url('no-such-video.mp4'), { millrace: runContext(bench, 'missing') });
    expect(failed(answer)).toMatchObject({ code: 'SOURCE_MISSING', retryable: false });
    expect(bench.sink.json('missing.failed.json')).toMatchObject({
      status: 'failed',
      task: 'DOWNSAMPLING',
      error: { code: 'SOURCE_MISSING' },
    });
    expect(bench.sink.taken.has('missing.succeeded.json')).toBe(false);
    expectNoSecrets(bench, answer);
  });

  it.each([
    { status: 403, body: '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>', code: 'SOURCE_FORBIDDEN' },
    {
      status: 403,
      body: '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>',
      code: 'PRESIGNED_URL_EXPIRED',
    },
    { status: 400, body: '<Error><Code>ExpiredToken</Code></Error>', code: 'PRESIGNED_URL_EXPIRED' },
    { status: 401, body: '', code: 'SOURCE_FORBIDDEN' },
    { status: 503, body: '', code: 'SOURCE_UNREACHABLE' },
  ])('says $code for $status $body', async ({ status, body, code }) => {
    const url = bench.serve(video);
    bench.origin.faults.set(nameOf(url), (_request, response) => {
      response.writeHead(status).end(body);
      return true;
    });
    expect(failed(await downsample(url)).code).toBe(code);
  });

  it('goes on after server errors and connections that break', async () => {
    const url = bench.serve(video);
    bench.origin.faults.set(nameOf(url), (_request, response, count) => {
      if (count === 1) response.writeHead(503).end();
      if (count === 2) response.writeHead(206, { 'content-range': 'bytes 0-99/5000', 'content-length': 100 }).destroy();
      return count <= 2;
    });
    expect(succeeded(await downsample(url))).toMatchObject({ width: 320, height: 180 });
  });

  it('reads the planned version, and says SOURCE_CHANGED for another', async () => {
    const url = bench.serve(video);
    const planned = { input_etags: { original_video_uri: await etagOf(video) } };
    expect(succeeded(await downsample(url, { millrace: runContext(bench, 'same', planned) })).statusCode).toBe(200);
    expect(bench.origin.requests.filter(({ path }) => path === nameOf(url)).every(({ ifMatch }) => ifMatch !== undefined)).toBe(
      true,
    );
    const other = { input_etags: { original_video_uri: '0123' } };
    expect(failed(await downsample(url, { millrace: runContext(bench, 'other', other) }))).toMatchObject({
      code: 'SOURCE_CHANGED',
      retryable: true,
    });
  });

  it('says SOURCE_CHANGED where the input changes while it is read, planned or not', async () => {
    const big = join(bench.directory, 'big.wav');
    await makeAudio(tools.ffmpeg, bench.directory, { name: 'big.wav', seconds: 12 });
    const url = bench.serve(big);
    const file = bench.origin.files.get(nameOf(url));
    bench.origin.faults.set(nameOf(url), (_request, _response, count) => {
      if (count === 2 && file !== undefined) file.etag = 'replaced';
      return false;
    });
    const parameters = { source_uri: url, start_sec: 10, duration_sec: 1, output_put_url: bench.sink.url('changed.wav') };
    expect(failed(await bench.run('AUDIO_TRIM', parameters)).code).toBe('SOURCE_CHANGED');
    expect(bench.sink.taken.has('changed.wav')).toBe(false);
  });

  it.each([
    { what: 'a local file', ranges: false, target: (segment: string) => `file://${segment}` },
    { what: 'another address', ranges: true, target: (segment: string) => bench.serve(segment) },
  ])('follows no playlist posing as a video to $what', async ({ ranges, target }) => {
    const segment = join(bench.directory, 'segment.ts');
    await makeVideo(tools.ffmpeg, bench.directory, { name: 'segment.ts', width: 320, height: 180, seconds: 1 });
    const playlist = join(bench.directory, 'playlist.mp4');
    const lines = ['#EXTM3U', '#EXT-X-VERSION:3', '#EXT-X-TARGETDURATION:2', '#EXT-X-MEDIA-SEQUENCE:0', '#EXTINF:1.0,'];
    await writeFile(playlist, [...lines, target(segment), '#EXT-X-ENDLIST', ''].join('\n'));

    const error = failed(await downsample(bench.serve(playlist, { ranges })));

    expect(error.code).toBe('INPUT_INVALID');
    expect(error.message).not.toContain(bench.directory);
    expect(bench.origin.requests.filter(({ path }) => path.endsWith('segment.ts'))).toEqual([]);
    expect(lastOutput()).toBeUndefined();
  });

  it.each([
    { what: 'text', content: 'this is no video\n'.repeat(100) },
    { what: 'nothing at all', content: '' },
  ])('says INPUT_INVALID for $what', async ({ content }) => {
    const file = join(bench.directory, 'not-media.mp4');
    await writeFile(file, content);
    expect(failed(await downsample(bench.serve(file))).code).toBe('INPUT_INVALID');
  });

  it('says INPUT_INVALID for sound without pictures, and for pictures that break off', async () => {
    expect(failed(await downsample(bench.serve(audio))).code).toBe('INPUT_INVALID');
    const whole = await makeVideo(tools.ffmpeg, bench.directory, { name: 'cut-off.mkv', width: 320, height: 180, seconds: 4 });
    await truncate(whole, Math.floor((await stat(whole)).size / 2));
    const error = failed(await downsample(bench.serve(whole)));
    expect(['INPUT_INVALID', 'OUTPUT_INVALID']).toContain(error.code);
    expect(lastOutput()).toBeUndefined();
  });

  it.each([
    { name: 'a server error that passes', refusals: [{ status: 500 }, { status: 503 }], code: undefined },
    {
      name: 'a server error that stays',
      refusals: Array.from({ length: 9 }, () => ({ status: 500 })),
      code: 'DESTINATION_UNREACHABLE',
    },
    {
      name: 'a refusal',
      refusals: [{ status: 403, body: '<Error><Code>SignatureDoesNotMatch</Code></Error>' }],
      code: 'DESTINATION_REFUSED',
    },
    {
      name: 'an expired URL',
      refusals: [{ status: 403, body: '<Error><Message>Request has expired</Message></Error>' }],
      code: 'PRESIGNED_URL_EXPIRED',
    },
  ])('treats $name at the destination as what it is', async ({ refusals, code }) => {
    const url = bench.serve(audio);
    const name = `put-${names++}.bin`;
    bench.sink.refusals.set(name, [...refusals]);
    const answer = await bench.run('STAGE_OBJECT', { source_uri: url, output_put_url: bench.sink.url(name) });
    if (code === undefined) succeeded(answer);
    else expect(failed(answer).code).toBe(code);
    expect(bench.sink.taken.has(name)).toBe(code === undefined);
    expectNoSecrets(bench, answer);
  });

  it('kills ffmpeg, removes the workspace and writes nothing when it is stopped', async () => {
    const controller = new AbortController();
    // ffmpeg is at work once it reports.
    const working = new Promise<string[]>((resolve, reject) => {
      bench.onProgress = () => {
        bench.onProgress = () => undefined;
        bench.leftovers().then(resolve, reject);
        controller.abort();
      };
    });
    const millrace = runContext(bench, 'stopped');
    const answer = await downsample(bench.serve(long), { resolution: 700, millrace }, controller.signal);
    expect(answer).toEqual({ kind: 'cancelled' });
    expect(await working).toHaveLength(1);
    expect(await bench.leftovers()).toEqual([]);
    expect(await processesIn(bench.workDir)).toEqual([]);
    expect(lastOutput()).toBeUndefined();
    expect([...bench.sink.taken.keys()].filter((name) => name.startsWith('stopped'))).toEqual([]);
  });

  it('ends a task at its time limit and says so in its result', async () => {
    const runner = bench.runnerWith({ timeLimitSeconds: 0.4 });
    const millrace = runContext(bench, 'slow');
    const parameters = {
      original_video_uri: bench.serve(long),
      // A height of its own would be a copy, which is too quick to be stopped.
      resolution: 700,
      output_put_url: bench.sink.url('slow.mp4'),
      millrace,
    };
    const scope = { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger };
    expect(failed(await runner.run({ task: 'DOWNSAMPLING', parameters }, scope)).code).toBe('TIME_LIMIT');
    expect(bench.sink.json('slow.failed.json')).toMatchObject({ error: { code: 'TIME_LIMIT' } });
    expect(await bench.leftovers()).toEqual([]);
  });

  it('leaves no workspace behind, whatever happened', async () => {
    expect(await bench.leftovers()).toEqual([]);
  });
});

function nameOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

/** Processes whose arguments name the folder. */
async function processesIn(folder: string): Promise<string[]> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(folder));
}
