import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { createS3Store, type S3Store } from '../../../storage/s3-store.ts';

/** A bucket of one object that can misbehave: real HTTP, because what is tested is what the SDK makes of a broken exchange. */
interface Bucket {
  object: { readonly mark: string } | undefined;
  puts: number;
}
type Answer = (bucket: Bucket, request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];
const stores: S3Store[] = [];

afterEach(() => {
  for (const store of stores.splice(0)) store.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const fail = (response: ServerResponse, status: number, code: string) =>
  response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`);

/** What a store that works does. */
const honest: Answer = (bucket, request, response) => {
  if (bucket.object !== undefined) fail(response, 412, 'PreconditionFailed');
  else {
    bucket.object = { mark: String(request.headers['x-amz-meta-millrace-create']) };
    response.writeHead(200, { etag: '"e"' }).end();
  }
};

/** Stores the object, and the answer gets lost. */
const lostReply: Answer = (bucket, request) => {
  bucket.object ??= { mark: String(request.headers['x-amz-meta-millrace-create']) };
  request.socket.destroy();
};

const says =
  (status: number, code: string): Answer =>
  (_bucket, _request, response) => {
    fail(response, status, code);
  };

/** The n-th PUT gets the n-th answer, and the last one all that follow. */
async function storeThat(
  ...answers: readonly Answer[]
): Promise<{ store: S3Store; bucket: Bucket; pausesMs: readonly number[] }> {
  const bucket: Bucket = { object: undefined, puts: 0 };
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      if (request.method === 'HEAD') {
        if (bucket.object === undefined) response.writeHead(404).end();
        else
          response.writeHead(200, { 'x-amz-meta-millrace-create': bucket.object.mark, etag: '"e"', 'content-length': '1' }).end();
        return;
      }
      const answer = answers[Math.min(bucket.puts, answers.length - 1)] ?? honest;
      bucket.puts += 1;
      answer(bucket, request, response);
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const pausesMs: number[] = [];
  let ids = 0;
  const store = createS3Store({
    bucket: 'videos',
    scheme: 's3',
    endpoint: `http://127.0.0.1:${address.port}`,
    region: 'us-east-1',
    addressingStyle: 'path',
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    requestTimeoutMs: 2000,
    randomId: () => `call-${++ids}`,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      pausesMs.push(ms);
    },
    random: () => 0,
  });
  stores.push(store);
  return { store, bucket, pausesMs };
}

describe('createIfAbsent', () => {
  test('is true once and false from then on', async () => {
    const { store } = await storeThat(honest);
    expect(await store.createIfAbsent('k', 'body')).toBe(true);
    expect(await store.createIfAbsent('k', 'body')).toBe(false);
  });

  test('is true when it created the object and only the reply was lost', async () => {
    const { store, bucket } = await storeThat(lostReply, honest);
    expect(await store.createIfAbsent('k', 'body')).toBe(true);
    expect(bucket).toEqual({ object: { mark: 'call-1' }, puts: 2 });
  });

  test('is false when a try was lost but somebody else has the object, though with the same body', async () => {
    const somebodyElse: Answer = (bucket, request) => {
      bucket.object = { mark: 'theirs' };
      request.socket.destroy();
    };
    const { store } = await storeThat(somebodyElse, honest);
    expect(await store.createIfAbsent('k', 'body')).toBe(false);
  });

  test('is true when the store created it and then answered with a server error', async () => {
    const { store } = await storeThat((bucket, request, response) => {
      bucket.object = { mark: String(request.headers['x-amz-meta-millrace-create']) };
      fail(response, 500, 'InternalError');
    }, honest);
    expect(await store.createIfAbsent('k', 'body')).toBe(true);
  });

  test('believes a 412 that comes first, and asks nothing more', async () => {
    const { store, bucket } = await storeThat(says(412, 'PreconditionFailed'));
    expect(await store.createIfAbsent('k', 'body')).toBe(false);
    expect(bucket.puts).toBe(1);
  });

  test.each([
    [409, 'ConditionalRequestConflict'],
    [429, 'TooManyRequests'],
    [503, 'SlowDown'],
  ])('tries again after %d %s', async (status, code) => {
    const { store } = await storeThat(says(status, code), says(status, code), honest);
    expect(await store.createIfAbsent('k', 'body')).toBe(true);
  });

  test('gives up on a conflict that does not end', async () => {
    const { store, bucket, pausesMs } = await storeThat(says(409, 'ConditionalRequestConflict'));
    await expect(store.createIfAbsent('k', 'body')).rejects.toMatchObject({
      code: 'STORE_ERROR',
      context: { status: 409, key: 'k' },
    });
    expect(bucket.puts).toBe(6);
    expect(pausesMs).toEqual([50, 100, 200, 400, 800]);
  });

  test('stops waiting when told to', async () => {
    const stop = new AbortController();
    const { store } = await storeThat((_bucket, _request, response) => {
      stop.abort();
      fail(response, 409, 'ConditionalRequestConflict');
    });
    const create = store.createIfAbsent('k', 'body', { signal: stop.signal });
    await expect(create).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
