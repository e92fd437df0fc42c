import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import type { GcsStore, GcsStoreOptions } from '../../../storage/gcs-store.ts';
import { type Fault, type FaultyNetwork, startFaultyNetwork } from './gcs-faults.ts';
import { type GcsServer, startGcsServer, strangeCredentials } from './gcs-server.ts';

const CHUNK_BYTES = 8 * 1024 ** 2;
const LARGE = Buffer.alloc(2 * CHUNK_BYTES + 12_345, 'a large body');

describe('the Google store on a network that loses things', () => {
  let server: GcsServer;
  let network: FaultyNetwork;
  let store: GcsStore;
  const opened: GcsStore[] = [];
  const open = (more: Partial<GcsStoreOptions> = {}): GcsStore => {
    const quick = { apiEndpoint: network.endpoint, sleep: async () => undefined, ...more };
    const made = server.open(quick);
    opened.push(made);
    return made;
  };
  /** The fault hits the n-th request of that kind. */
  const onNth = (method: string, nth: number, fault: Fault) => {
    let count = 0;
    network.fault = (request) => {
      if (request.method !== method) return undefined;
      count += 1;
      return count === nth ? fault : undefined;
    };
  };
  const large = () => Readable.from([LARGE.subarray(0, 100), LARGE.subarray(100)]);
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const bodyOf = async (key: string) => buffer((await store.get(key))?.body ?? Readable.from([]));

  beforeAll(async () => {
    server = await startGcsServer();
    network = await startFaultyNetwork(server.endpoint);
    store = open();
  });
  afterEach(() => {
    network.fault = () => undefined;
    network.seen.length = 0;
  });
  afterAll(async () => {
    for (const made of opened) made.close();
    await network?.close();
    await server?.stop();
  });

  test('a creation whose reply was lost is known to be ours, and one that somebody else won is not', async () => {
    onNth('POST', 1, 'lose');
    expect(await store.createIfAbsent('created/ours', 'same', { metadata: { fingerprint: 'f' } })).toBe(true);
    expect(network.seen.filter((line) => line.startsWith('POST'))).toHaveLength(2);
    onNth('POST', 1, 'busy');
    expect(await store.createIfAbsent('created/ours', 'same')).toBe(false);
    expect(await text((await store.get('created/ours'))?.body ?? Readable.from([]))).toBe('same');
  });

  test('reads, listings, writes and deletions are sent again, and each gives up in the end', async () => {
    for (const work of [
      () => store.put('again/x', 'x'),
      () => store.head('again/x'),
      async () => (await store.get('again/x'))?.body.resume(),
      async () => {
        for await (const page of store.list('again/')) expect(page).toHaveLength(1);
      },
      () => store.delete('again/x'),
    ]) {
      let requests = 0;
      network.fault = () => (++requests <= 3 ? 'busy' : undefined);
      await work();
      expect(requests).toBe(4);
      requests = -Infinity;
      await expect(work()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', retryable: true, context: { status: 503 } });
    }
  });

  test.each([
    { what: 'the opening of the session is lost', method: 'POST', nth: 1, fault: 'lose' },
    { what: 'a chunk is cut in half', method: 'PUT', nth: 2, fault: 'cut' },
    { what: 'the answer to a chunk is lost', method: 'PUT', nth: 1, fault: 'lose' },
    { what: 'the answer to the last chunk is lost', method: 'PUT', nth: 3, fault: 'lose' },
    { what: 'a chunk is refused for now', method: 'PUT', nth: 2, fault: 'busy' },
  ] as const)('a large upload arrives whole although $what', async ({ method, nth, fault }) => {
    onNth(method, nth, fault);
    const { etag } = await store.put('large/x', large(), { contentLengthBytes: LARGE.length });
    expect(await store.head('large/x')).toMatchObject({ etag, sizeBytes: LARGE.length });
    expect(digest(await bodyOf('large/x'))).toBe(digest(LARGE));
    await store.delete('large/x');
  });

  test('an upload that gets no further is given up, and its session with it', async () => {
    network.fault = (request) => (request.method === 'PUT' && request.headers['content-length'] !== '0' ? 'busy' : undefined);
    const put = store.put('large/stuck', large(), { contentLengthBytes: LARGE.length });
    await expect(put).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(network.seen.at(-1)).toBe('DELETE /upload/storage/v1/b/videos/o');
    expect(await store.head('large/stuck')).toBeNull();
  });

  test('a session that Google has forgotten is no error of the request: another try can help', async () => {
    network.fault = (request) => {
      if (request.method === 'PUT') request.url = request.url?.replace(/upload_id=[^&]+/, 'upload_id=forgotten') ?? '';
      return undefined;
    };
    const put = store.put('large/forgotten', large(), { contentLengthBytes: LARGE.length });
    await expect(put).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', context: { reason: 'uploadSessionLost' } });
  });

  test.each([
    { what: 'shorter', lengthBytes: LARGE.length + 1, code: 'SOURCE_UNREACHABLE' },
    { what: 'longer', lengthBytes: LARGE.length - 1, code: 'SOURCE_CHANGED' },
    { what: 'much longer', lengthBytes: 1000, code: 'SOURCE_CHANGED' },
  ])('a source that is $what than was said leaves what was there before', async ({ lengthBytes, code }) => {
    await store.put('large/kept', 'before');
    await expect(store.put('large/kept', large(), { contentLengthBytes: lengthBytes })).rejects.toMatchObject({ code });
    expect(String(await bodyOf('large/kept'))).toBe('before');
  });

  test('an answer that does not come ends the wait, and so does a signal', async () => {
    network.fault = () => 'hold';
    const hasty = open({ requestTimeoutMs: 60, maxAttempts: 2 });
    await expect(hasty.head('held/x')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', context: { reason: 'ETIMEDOUT' } });
    const stop = new AbortController();
    const put = store.put('held/x', 'x', { signal: stop.signal });
    const waits = expect(put).rejects.toMatchObject({ code: 'CANCELLED' });
    stop.abort();
    await waits;
    await expect(store.list('held/', { signal: stop.signal })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  test('a body that stands still fails instead of waiting for ever', async () => {
    await store.put('held/body', LARGE);
    const hasty = open({ requestTimeoutMs: 100 });
    const found = await hasty.get('held/body');
    // Nobody reads: the buffers fill up, and then nothing arrives any more.
    await new Promise((resolve) => found?.body.once('close', resolve));
    expect(found?.body.errored).toMatchObject({ code: 'ETIMEDOUT' });
  });

  test('a missing bucket, refused credentials and a wrong address say so without secrets', async () => {
    const stranger = open({ credentials: strangeCredentials(server) });
    const errors = await Promise.all(
      [
        open({ bucket: 'no-such-bucket' }).put('x', 'x'),
        open({ bucket: 'no-such-bucket' }).get('x'),
        stranger.head('x'),
        open({ apiEndpoint: 'http://127.0.0.1:1', maxAttempts: 1 }).head('x'),
        open({ credentials: { client_email: 'a@b', private_key: 'no key' } }).head('x'),
      ].map((work) =>
        work.then(
          () => undefined,
          (thrown: unknown) => thrown,
        ),
      ),
    );
    const found = errors.map((error) => (error instanceof MillraceError ? [error.code, error.context.reason] : error));
    expect(found).toEqual([
      ['STORE_ERROR', 'notFound'],
      ['STORE_ERROR', 'NoSuchBucket'],
      ['STORE_FORBIDDEN', 'required'],
      ['STORE_UNREACHABLE', 'ECONNREFUSED'],
      ['STORE_FORBIDDEN', undefined],
    ]);
    const shown = errors.map((error) =>
      error instanceof MillraceError ? `${error.stack} ${String(error.cause)} ${error.fix}` : '',
    );
    expect(shown.filter((line) => /Bearer|eyJ|PRIVATE|X-Goog-Signature/.test(line))).toEqual([]);
  });

  test('a page that begins behind a key leaves the key itself out, whether it is there or not', async () => {
    for (const key of ['after/a', 'after/b', 'after/b/c', 'after/c']) await store.put(key, '');
    const behind = async (startAfter: string) => {
      const keys: string[] = [];
      for await (const page of store.list('after/', { startAfter })) keys.push(...page.map(({ key }) => key));
      return keys;
    };
    expect(await behind('after/b')).toEqual(['after/b/c', 'after/c']);
    expect(await behind('after/aa')).toEqual(['after/b', 'after/b/c', 'after/c']);
    expect(await behind('after/c')).toEqual([]);
  });

  test('the credentials are those that the environment names, where none are given', async () => {
    process.env.GOOGLE_APPLICATION_CREDENTIALS = server.serviceAccountFile;
    try {
      const { createGcsStore } = await import('../../../storage/gcs-store.ts');
      const ambient = createGcsStore({ bucket: 'videos', apiEndpoint: server.endpoint });
      opened.push(ambient);
      await ambient.put('ambient/x', 'x');
      const response = await fetch(await ambient.presignGet('ambient/x', { expiresInSeconds: 604_800 }));
      expect([response.status, await response.text()]).toEqual([200, 'x']);
      process.env.GOOGLE_APPLICATION_CREDENTIALS = '/no/such/file.json';
      const lost = createGcsStore({ bucket: 'videos', apiEndpoint: server.endpoint });
      opened.push(lost);
      await expect(lost.head('ambient/x')).rejects.toMatchObject({ code: 'STORE_FORBIDDEN', retryable: false });
    } finally {
      delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
    }
  });
});
