/** A worker without credentials, on Google's signed URLs: inputs held to their generation, outputs with the writer's mark. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskRunner } from '../../../handlers/run-task.ts';
import type { GcsStore } from '../../../storage/gcs-store.ts';
import { createS3Store } from '../../../storage/s3-store.ts';
import { failed, startBench, succeeded, type TaskBench } from '../../integration/handlers/task-bench.ts';
import { SECRET } from '../../media/origin.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { type GcsServer, S3_KEYS, startGcsServer } from './gcs-server.ts';

const [TOOLS] = ALL_TOOLS;
const EXPIRY = { expiresInSeconds: 600 };
const FINGERPRINT = 'f'.repeat(16);

describe.skipIf(TOOLS === undefined)('a task on Google’s signed URLs', () => {
  let bench: TaskBench;
  let server: GcsServer;
  let store: GcsStore;
  let worker: TaskRunner;
  const body = Buffer.alloc(1_300_000, 'an input of several chunks ');

  beforeAll(async () => {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    bench = await startBench(TOOLS);
    server = await startGcsServer();
    store = server.open();
    worker = bench.runnerWith({ allowHosts: [server.endpoint.replace('http://', ''), bench.origin.host] });
  });
  afterAll(async () => {
    store?.close();
    await bench?.close();
    await server?.stop();
  });

  /** What a consumer sends: everything presigned, and the versions that it planned with. */
  const payload = async (name: string, version: string | undefined) => {
    const put = await store.presignPut(`out/${name}`, { ...EXPIRY, metadata: { fingerprint: FINGERPRINT } });
    const millrace = {
      ...{ job: 'j', stage: 's', item: '0', fingerprint: FINGERPRINT, attempt: 1 },
      output_put_headers: put.headers,
      output_uri: `gs://videos/out/${name}`,
      succeeded_put_url: (await store.presignPut(`results/${name}.succeeded.json`, EXPIRY)).url,
      failed_put_url: (await store.presignPut(`results/${name}.failed.json`, EXPIRY)).url,
      input_etags: { source_uri: version ?? null },
    };
    return { source_uri: await store.presignGet(`in/${name}`, EXPIRY), output_put_url: put.url, millrace };
  };
  const run = (parameters: Record<string, unknown>) =>
    worker.run(
      { task: 'STAGE_OBJECT', parameters },
      { requestId: 'run-1', signal: new AbortController().signal, log: bench.logger, progress: () => undefined },
    );
  const bytesOf = async (key: string) => buffer((await store.get(key))?.body ?? Readable.from([]));

  it('reads what was planned, and writes the output with its mark and the result', async () => {
    const { etag } = await store.put('in/same.bin', body);
    const output = succeeded(await run(await payload('same.bin', etag)));
    expect(output).toMatchObject({ output_uri: 'gs://videos/out/same.bin', bytes_written: body.length });
    expect((await bytesOf('out/same.bin')).equals(body)).toBe(true);
    expect(await store.head('out/same.bin')).toMatchObject({ metadata: { fingerprint: FINGERPRINT } });
    expect(await store.head('results/same.bin.succeeded.json')).not.toBeNull();
  });

  it('reads an empty object, for which Google refuses every range', async () => {
    const { etag } = await store.put('in/empty.bin', '');
    expect(succeeded(await run(await payload('empty.bin', etag)))).toMatchObject({ bytes_written: 0 });
  });

  it.each([
    { what: 'another body', replace: () => store.put('in/replaced.bin', 'other') },
    { what: 'the same bytes, written again', replace: () => store.put('in/replaced.bin', body) },
    { what: 'an empty body', replace: () => store.put('in/replaced.bin', '') },
    {
      what: 'an object of parts, which has no MD5',
      replace: async () => {
        const s3 = createS3Store({
          ...{ scheme: 's3', bucket: 'videos', endpoint: server.endpoint, region: 'us-east-1', addressingStyle: 'path' },
          credentials: S3_KEYS,
        });
        const large = Buffer.alloc(33 * 1024 ** 2);
        await s3.put('in/replaced.bin', Readable.from([large]), { contentLengthBytes: large.length });
        s3.close();
      },
    },
  ])('fails with SOURCE_CHANGED where the input became $what', async ({ replace }) => {
    const { etag } = await store.put('in/replaced.bin', body);
    const parameters = await payload('replaced.bin', etag);
    await replace();
    expect(failed(await run(parameters))).toMatchObject({ code: 'SOURCE_CHANGED', retryable: true });
    expect(await store.head('out/replaced.bin')).toBeNull();
  });

  it('refuses an answer that names no generation, instead of taking its word', async () => {
    const file = join(bench.directory, 'plain.bin');
    await writeFile(file, body);
    const parameters = { ...(await payload('plain.bin', 'generation-1764100000000000')), source_uri: bench.serve(file) };
    const error = failed(await run(parameters));
    expect(error).toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: false });
    expect(error.message).toContain('generation');
    expect(error.message).not.toContain(SECRET);
  });

  it('holds an input to its generation where the worker has Google’s credentials, and says so where it has only S3 keys', async () => {
    const { etag } = await store.put('in/keys.bin', body);
    const s3 = createS3Store({
      ...{ scheme: 'gs', bucket: 'videos', endpoint: server.endpoint, region: 'us-east-1', addressingStyle: 'path' },
      credentials: S3_KEYS,
    });
    const parameters = { ...(await payload('keys.bin', etag)), source_uri: 'gs://videos/in/keys.bin' };
    const on = (storeFor: () => GcsStore | typeof s3) =>
      bench
        .runnerWith({ allowHosts: [server.endpoint.replace('http://', '')], storeFor })
        .run(
          { task: 'STAGE_OBJECT', parameters },
          { requestId: 'run-2', signal: new AbortController().signal, log: bench.logger, progress: () => undefined },
        );
    expect(succeeded(await on(() => store))).toMatchObject({ bytes_written: body.length });
    expect(failed(await on(() => s3))).toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: false });
    await store.put('in/keys.bin', body);
    expect(failed(await on(() => store))).toMatchObject({ code: 'SOURCE_CHANGED' });
    s3.close();
  });
});
