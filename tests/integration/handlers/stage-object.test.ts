import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../log.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { MemoryStore } from '../../media/memory-store.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { expectNoSecrets, failed, startBench, succeeded, type TaskBench } from './task-bench.ts';

const MEBIBYTE = 1024 * 1024;

const [TOOLS] = ALL_TOOLS;

describe.skipIf(TOOLS === undefined)('STAGE_OBJECT and the tasks that need no media', () => {
  let bench: TaskBench;
  let file: string;
  let digest: string;

  beforeAll(async () => {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    bench = await startBench(TOOLS);
    file = join(bench.directory, 'photo.JPG');
    const bytes = Buffer.alloc(3 * MEBIBYTE + 17);
    for (let offset = 0; offset < bytes.length - 4; offset += 4) bytes.writeUInt32LE((offset * 2_654_435_761) % 2 ** 32, offset);
    await writeFile(file, bytes);
    digest = sha(bytes);
  });
  afterAll(() => bench.close());

  it.each([
    { what: 'in ranges', options: {} },
    { what: 'whole, where the server knows no ranges', options: { ranges: false } },
    { what: 'to disk first, where the server tells no length', options: { ranges: false, length: false } },
  ])('copies every byte $what', async ({ what, options }) => {
    const name = `copy-${what.length}.jpg`;
    const output = succeeded(
      await bench.run('STAGE_OBJECT', { source_uri: bench.serve(file, options), output_put_url: bench.sink.url(name) }),
    );
    const taken = bench.sink.taken.get(name);
    expect(sha(taken?.body ?? Buffer.alloc(0))).toBe(digest);
    expect(taken?.headers).toMatchObject({ 'content-length': String(3 * MEBIBYTE + 17), 'content-type': 'image/jpeg' });
    expect(output).toMatchObject({
      bytes_written: 3 * MEBIBYTE + 17,
      bytes_read: 3 * MEBIBYTE + 17,
      output_uri: `http://${bench.sink.host}/${name}`,
    });
  });

  it.each([
    { asked: 'image/x-asked', served: 'image/x-served', expected: 'image/x-asked' },
    { asked: undefined, served: 'image/x-served', expected: 'image/x-served' },
    { asked: undefined, served: 'binary/octet-stream', expected: 'image/jpeg' },
  ])('stores $expected where $asked was asked for and $served served', async ({ asked, served, expected }) => {
    const source_uri = bench.serve(file, { contentType: served });
    succeeded(
      await bench.run('STAGE_OBJECT', {
        source_uri,
        output_put_url: bench.sink.url('typed'),
        ...(asked === undefined ? {} : { content_type: asked }),
      }),
    );
    expect(bench.sink.taken.get('typed')?.headers['content-type']).toBe(expected);
  });

  it('copies an empty object', async () => {
    const empty = join(bench.directory, 'empty.txt');
    await writeFile(empty, '');
    expect(
      succeeded(await bench.run('STAGE_OBJECT', { source_uri: bench.serve(empty), output_put_url: bench.sink.url('empty') }))
        .bytes_written,
    ).toBe(0);
    expect(bench.sink.taken.get('empty')?.headers['content-length']).toBe('0');
  });

  it('refuses addresses inside the network that were not allowed', async () => {
    const parameters = { source_uri: 'http://169.254.169.254/latest/meta-data/', output_put_url: bench.sink.url('meta') };
    expect(failed(await bench.run('STAGE_OBJECT', parameters)).code).toBe('SOURCE_REFUSED');
  });

  it('reads from and writes to stores that it has credentials for, with the mark of its writer', async () => {
    const stores = new Map<string, MemoryStore>();
    const storeFor = (scheme: 's3' | 'gs', bucket: string): ObjectStore => {
      const store = stores.get(bucket) ?? new MemoryStore(scheme, bucket);
      stores.set(bucket, store);
      return store;
    };
    await storeFor('gs', 'from').put('a/photo.jpg', await readFile(file));
    const runner = bench.runnerWith({ storeFor });
    const millrace = { job: 'j', stage: 's', item: '0', fingerprint: 'abc', attempt: 1 };
    const parameters = { source_uri: 'gs://from/a/photo.jpg', dest_uri: 's3://into/b/photo.jpg', millrace };
    const scope = { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger };

    const output = succeeded(await runner.run({ task: 'STAGE_OBJECT', parameters }, scope));

    expect(output.output_uri).toBe('s3://into/b/photo.jpg');
    const stored = stores.get('into')?.objects.get('b/photo.jpg');
    expect(sha(stored?.body ?? Buffer.alloc(0))).toBe(digest);
    expect(stored?.options).toMatchObject({
      contentType: 'image/jpeg',
      metadata: { fingerprint: 'abc' },
      contentLengthBytes: 3 * MEBIBYTE + 17,
    });
    const missing = await runner.run(
      { task: 'STAGE_OBJECT', parameters: { ...parameters, source_uri: 's3://from/nothing' } },
      scope,
    );
    expect(failed(missing).code).toBe('SOURCE_MISSING');
  });

  it('reads s3:// through the public address without credentials, and only the bucket behind it', async () => {
    bench.origin.files.set('jobs/photo_1&2.jpg', { file });
    const runner = bench.runnerWith({ publicBase: { baseUrl: `http://${bench.origin.host}/`, bucket: 'public' } });
    const scope = { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger };
    const stage = (source_uri: string) =>
      runner.run({ task: 'STAGE_OBJECT', parameters: { source_uri, output_put_url: bench.sink.url('public.jpg') } }, scope);
    expect(succeeded(await stage('s3://public/jobs/photo_1&2.jpg')).statusCode).toBe(200);
    expect(failed(await stage('s3://public/jobs/gone.jpg'))).toMatchObject({ code: 'PUBLIC_GET_FAILED', retryable: false });
    expect(failed(await stage('s3://private/jobs/photo.jpg')).code).toBe('NO_PRESIGN_METHOD_AVAILABLE');
    expect(failed(await stage('gs://public/jobs/photo.jpg')).code).toBe('NO_PRESIGN_METHOD_AVAILABLE');
  });

  it('refuses a destination that it has no credentials for, before it reads anything', async () => {
    const before = bench.origin.requests.length;
    const answer = await bench.run('STAGE_OBJECT', { source_uri: bench.serve(file), dest_uri: 's3://videos/a.jpg' });
    expect(failed(answer).code).toBe('DESTINATION_REFUSED');
    expect(bench.origin.requests.length).toBe(before);
  });

  it.each([
    { input: { task: 'TRANSMOGRIFY', parameters: {} }, code: 'TASK_UNKNOWN', says: 'TRANSMOGRIFY' },
    { input: { parameters: {} }, code: 'PARAMETERS_INVALID', says: 'task' },
    { input: 'nonsense', code: 'PARAMETERS_INVALID', says: '' },
    {
      input: {
        task: 'AUDIO_TRIM',
        parameters: { source_uri: 's3://b/k', start_sec: -1, duration_sec: 0, output_put_url: 'http://x/?secret=1' },
      },
      code: 'PARAMETERS_INVALID',
      says: 'start_sec',
    },
  ])('answers $code for $input', async ({ input, code, says }) => {
    const error = failed(
      await bench.runner.run(input, {
        requestId: 'r',
        signal: new AbortController().signal,
        progress: () => undefined,
        log: silentLogger,
      }),
    );
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
  });

  it('writes a failed result for parameters that are wrong, and shows no signature', async () => {
    const millrace = {
      job: 'j',
      stage: 's',
      item: 'wrong',
      fingerprint: 'abc',
      attempt: 2,
      failed_put_url: bench.sink.url('wrong.failed.json'),
    };
    const answer = await bench.run('DOWNSAMPLING', { original_video_uri: 7, resolution: bench.sink.url('x'), millrace });
    expect(failed(answer).code).toBe('PARAMETERS_INVALID');
    expect(bench.sink.json('wrong.failed.json')).toMatchObject({
      attempt: 2,
      status: 'failed',
      error: { code: 'PARAMETERS_INVALID' },
    });
    expectNoSecrets(bench, answer);
  });

  it('answers PING with versions and what it can encode with', async () => {
    const output = succeeded(await bench.run('PING', {}));
    expect(output).toMatchObject({
      statusCode: 200,
      body: 'pong',
      versions: { node: process.versions.node, ffmpeg: TOOLS?.version },
    });
    const { h264Nvenc, nvdec } = await bench.runner.capabilities();
    expect(output).toMatchObject({ capabilities: { h264_nvenc: h264Nvenc.available, nvdec: nvdec.available } });
    // No GPU here, or one that works: whichever it is, both halves say the same.
    expect(output.encoder).toBe(h264Nvenc.available ? 'h264_nvenc' : 'libx264');
    expect(output.rung_reason).not.toBe('');
  });
});

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
