import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import type { ObjectInfo } from '../../../storage/object-store.ts';
import { createS3Store, type S3Store } from '../../../storage/s3-store.ts';

const servers: Server[] = [];
const stores: S3Store[] = [];

afterEach(() => {
  for (const store of stores.splice(0)) store.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function storeAt(listener: RequestListener, requestTimeoutMs = 2000): Promise<S3Store> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return open(`http://127.0.0.1:${address.port}`, requestTimeoutMs);
}

function open(endpoint: string, requestTimeoutMs = 2000): S3Store {
  const store = createS3Store({
    bucket: 'videos',
    scheme: 's3',
    endpoint,
    region: 'us-east-1',
    addressingStyle: 'path',
    credentials: { accessKeyId: 'AKIDSECRET', secretAccessKey: 'topsecret', sessionToken: 'tokensecret' },
    requestTimeoutMs,
    maxAttempts: 2,
  });
  stores.push(store);
  return store;
}

const xmlError =
  (status: number, code: string): RequestListener =>
  (request, response) => {
    request.resume();
    const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said of AKIDSECRET</Message></Error>`;
    response.writeHead(status, { 'content-type': 'application/xml' }).end(request.method === 'HEAD' ? undefined : body);
  };

async function failure(work: Promise<unknown>): Promise<MillraceError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof MillraceError) return error;
  throw new Error(`expected a MillraceError, found ${inspect(error)}`);
}

describe('errors', () => {
  test.each([
    [400, 'ExpiredToken', 'STORE_FORBIDDEN'],
    [401, 'Unauthorized', 'STORE_FORBIDDEN'],
    [403, 'AccessDenied', 'STORE_FORBIDDEN'],
    [403, 'SignatureDoesNotMatch', 'STORE_FORBIDDEN'],
    [404, 'NoSuchBucket', 'STORE_ERROR'],
    [400, 'InvalidRequest', 'STORE_ERROR'],
    [301, 'PermanentRedirect', 'STORE_ERROR'],
    [412, 'PreconditionFailed', 'SOURCE_CHANGED'],
    [429, 'TooManyRequests', 'STORE_UNREACHABLE'],
    [500, 'InternalError', 'STORE_UNREACHABLE'],
    [503, 'SlowDown', 'STORE_UNREACHABLE'],
    [501, 'NotImplemented', 'STORE_ERROR'],
  ])('%d %s becomes %s, with method, key and status, and no secret', async (status, name, code) => {
    const store = await storeAt(xmlError(status, name));
    const error = await failure(store.get('pipelines/j/x'));
    expect(error).toMatchObject({
      code,
      context: { method: 'GetObject', bucket: 'videos', key: 'pipelines/j/x', status, reason: name },
    });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/AKIDSECRET|topsecret|tokensecret|Signature=/);
  });

  test('a 404 is no object, and for a delete no error', async () => {
    const store = await storeAt(xmlError(404, 'NoSuchKey'));
    expect(await store.get('k')).toBeNull();
    expect(await store.head('k')).toBeNull();
    await store.delete('k');
  });

  test('an answer that is no XML is judged by its status', async () => {
    const store = await storeAt((_request, response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway'),
    );
    expect(await failure(store.get('k'))).toMatchObject({ code: 'STORE_UNREACHABLE', context: { status: 502 } });
  });

  test('nobody listens', async () => {
    expect(await failure(open('http://127.0.0.1:1').head('k'))).toMatchObject({
      code: 'STORE_UNREACHABLE',
      context: { method: 'HeadObject', reason: 'ECONNREFUSED' },
    });
  });

  test('a server that accepts and says nothing is given up', async () => {
    const store = await storeAt(() => undefined, 100);
    expect(await failure(store.head('k'))).toMatchObject({ code: 'STORE_UNREACHABLE' });
  });

  test('so is one that keeps the line busy and never finishes its answer', async () => {
    const server = createTcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
      const trickle = setInterval(() => socket.write('.'), 20);
      socket.on('error', () => undefined).once('close', () => clearInterval(trickle));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    expect(await failure(open(`http://127.0.0.1:${address.port}`, 200).head('k'))).toMatchObject({ code: 'STORE_UNREACHABLE' });
    server.close();
  });

  test('a body that stands still breaks', async () => {
    const store = await storeAt((_request, response) => {
      response.writeHead(200, { 'content-length': '10', etag: '"e"' }).write('half');
    }, 150);
    const found = await store.get('k');
    await expect(text(found?.body ?? Readable.from([]))).rejects.toThrow();
  });

  test('a request that is stopped', async () => {
    const store = await storeAt(() => undefined);
    const stop = new AbortController();
    const head = failure(store.head('k', stop.signal));
    stop.abort();
    expect(await head).toMatchObject({ code: 'CANCELLED' });
  });
});

describe('streamed PUT', () => {
  const taking: RequestListener = (request, response) => {
    request.resume().once('end', () => response.writeHead(200, { etag: '"e"' }).end());
  };

  test('a source that breaks ends the request at once', async () => {
    const store = await storeAt(taking, 5000);
    const source = new PassThrough();
    const put = failure(store.put('k', source, { contentLengthBytes: 10 }));
    source.write('half');
    source.destroy(new MillraceError('SOURCE_UNREACHABLE', 'the source broke'));
    expect(await put).toMatchObject({ code: 'SOURCE_UNREACHABLE', message: 'the source broke' });
  });

  test.each([
    ['fewer', 11, 'SOURCE_UNREACHABLE'],
    ['more', 9, 'SOURCE_CHANGED'],
  ])('%s bytes than promised are an error', async (_what, contentLengthBytes, code) => {
    const store = await storeAt(taking);
    expect(await failure(store.put('k', Readable.from([Buffer.alloc(10)]), { contentLengthBytes }))).toMatchObject({ code });
  });

  test('without a length it is refused as a mistake of the caller', async () => {
    const store = await storeAt(taking);
    expect(await failure(store.put('k', Readable.from(['x'])))).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('list', () => {
  const page =
    (...lines: readonly string[]): RequestListener =>
    (_request, response) => {
      response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end(`<ListBucketResult>${lines.join('')}</ListBucketResult>`);
    };
  const all = async (store: S3Store) => {
    const found: ObjectInfo[] = [];
    for await (const objects of store.list('p/')) found.push(...objects);
    return found;
  };

  test('decodes keys where the store says that it encoded them', async () => {
    const object =
      '<Contents><Key>p/a+b%2Bc%25%01</Key><ETag>"e"</ETag><Size>3</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>';
    const store = await storeAt(page('<EncodingType>url</EncodingType>', object));
    expect(await all(store)).toEqual([
      { key: 'p/a b+c%\u0001', sizeBytes: 3, etag: 'e', lastModifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
    ]);
  });

  test('takes keys as they are where it does not', async () => {
    const store = await storeAt(page('<Contents><Key>p/a+b%20</Key></Contents>'));
    expect((await all(store)).map(({ key }) => key)).toEqual(['p/a+b%20']);
  });

  test('ends with an error when the pages do not advance', async () => {
    const store = await storeAt(page('<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>'));
    await expect(all(store)).rejects.toMatchObject({ code: 'STORE_ERROR', message: expect.stringContaining('does not advance') });
  });
});
