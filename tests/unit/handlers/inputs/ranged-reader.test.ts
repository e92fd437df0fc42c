import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../../../errors.ts';
import { createInputMemory } from '../../../../handlers/inputs/chunk-memory.ts';
import { type Gateway, requestedRange, startGateway } from '../../../../handlers/inputs/gateway.ts';
import { CHUNK_BYTES, RangedReader, type RangedReaderOptions } from '../../../../handlers/inputs/ranged-reader.ts';
import type { ByteRange, InputSource, OpenOptions } from '../../../../handlers/inputs/source.ts';

const TOTAL = 1000;
const BYTES = Buffer.from(Array.from({ length: TOTAL }, (_, index) => index % 251));
/** Nothing happens, and that cannot be waited for by a signal: several looks of the gateway. */
const LONG_AFTER_MS = 200;
const RETRY = { attempts: 4, firstDelayMs: 1, maxDelayMs: 2 };

type Answer = (range: ByteRange, options: OpenOptions, count: number) => Readable;

function sourceOf(answer: Answer, asked: ByteRange[] = []): InputSource {
  return {
    label: 'https://example.com/a',
    fileName: 'a',
    async open(range = { start: 0, end: TOTAL - 1 }, options) {
      asked.push(range);
      const body = answer(range, options, asked.length);
      return { ranged: true, totalBytes: TOTAL, etag: 'v1', etagIsWeak: false, contentType: undefined, body };
    },
  };
}

const honest: Answer = ({ start, end }) => Readable.from([BYTES.subarray(start, end + 1)], { objectMode: false });

function readerOf(source: InputSource, more: Partial<RangedReaderOptions> = {}) {
  const signal = new AbortController().signal;
  return new RangedReader({
    source,
    totalBytes: TOTAL,
    etag: undefined,
    signal,
    onBytes: () => undefined,
    chunkBytes: 100,
    retry: RETRY,
    ...more,
  });
}

async function all(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks));
}

describe('RangedReader', () => {
  it.each([
    [0, 999],
    [0, 0],
    [99, 100],
    [250, 749],
    [999, 999],
    [950, 5000],
  ])('gives bytes %i to %i, asking for whole chunks only', async (start, end) => {
    const asked: ByteRange[] = [];
    const found = await all(readerOf(sourceOf(honest, asked)).read(start, end));
    expect(found.equals(BYTES.subarray(start, end + 1))).toBe(true);
    expect(asked.every((range) => range.start % 100 === 0 && range.end - range.start < 400 && range.end < TOTAL)).toBe(true);
  });

  it('asks once for what several readers want at once, and not again for what it holds', async () => {
    const asked: ByteRange[] = [];
    const reader = readerOf(sourceOf(honest, asked));
    await Promise.all([all(reader.read(0, 150)), all(reader.read(50, 199))]);
    await all(reader.read(0, 199));
    expect(asked).toEqual([{ start: 0, end: 199 }]);
    reader.release();
    await all(reader.read(0, 9));
    expect(asked).toHaveLength(2);
  });

  it('asks for what is surely wanted in few requests', async () => {
    const asked: ByteRange[] = [];
    await all(readerOf(sourceOf(honest, asked)).read(150, 849));
    expect(asked).toEqual([
      { start: 100, end: 499 },
      { start: 500, end: 899 },
    ]);
  });

  it('asks for what is perhaps wanted little by little, and only where its reader wants more', async () => {
    const asked: ByteRange[] = [];
    let left = 2;
    const reader = readerOf(sourceOf(honest, asked));
    const found = await all(reader.read(0, 999, async () => left-- > 0));
    expect(asked).toEqual([
      { start: 0, end: 199 },
      { start: 200, end: 599 },
      { start: 600, end: 999 },
    ]);
    expect(found).toHaveLength(TOTAL);

    reader.release();
    left = 0;
    expect(await all(reader.read(0, 999, async () => left-- > 0))).toHaveLength(200);
    expect(asked).toHaveLength(4);
  });

  it('asks for no chunk twice, whatever is held between', async () => {
    const asked: ByteRange[] = [];
    const reader = readerOf(sourceOf(honest, asked));
    reader.hold(BYTES.subarray(0, 250));
    await all(reader.read(400, 450));
    expect((await all(reader.read(0, 999))).equals(BYTES)).toBe(true);
    expect(asked).toEqual([
      { start: 400, end: 499 },
      { start: 200, end: 399 },
      { start: 500, end: 899 },
      { start: 900, end: 999 },
    ]);
  });

  it('asks for nothing ahead in a short read', async () => {
    const asked: ByteRange[] = [];
    for await (const bytes of readerOf(sourceOf(honest, asked)).read(0, 999)) if (bytes.length > 0) break;
    expect(asked).toEqual([{ start: 0, end: 399 }]);
  });

  it('asks for much at once where its reader goes on and on', async () => {
    const totalBytes = 30_000;
    const bytes = Buffer.from(Array.from({ length: totalBytes }, (_, index) => index % 249));
    const asked: ByteRange[] = [];
    const source: InputSource = {
      ...sourceOf(honest),
      async open(range = { start: 0, end: totalBytes - 1 }) {
        asked.push(range);
        const body = Readable.from([bytes.subarray(range.start, range.end + 1)], { objectMode: false });
        return { ranged: true, totalBytes, etag: 'v1', etagIsWeak: false, contentType: undefined, body };
      },
    };
    const found = await all(readerOf(source, { totalBytes }).read(0, totalBytes - 1));
    expect(found.equals(bytes)).toBe(true);
    const lengths = asked.map(({ start, end }) => end + 1 - start);
    // The first six thousand or so in runs of four chunks, what is read ahead of them too; then in runs of sixteen.
    expect(Math.max(...lengths.slice(0, 16))).toBe(400);
    expect(Math.max(...lengths)).toBe(1600);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(totalBytes);
  });

  it('hands on a chunk before those behind it are there', async () => {
    const more = Promise.withResolvers<void>();
    const slow: Answer = ({ start, end }) =>
      Readable.from(
        (async function* () {
          yield BYTES.subarray(start, start + 150);
          await more.promise;
          yield BYTES.subarray(start + 150, end + 1);
        })(),
        { objectMode: false },
      );
    const pieces = readerOf(sourceOf(slow)).read(0, 399)[Symbol.asyncIterator]();
    const first = await pieces.next();
    expect(BYTES.subarray(0, 100).equals(first.value)).toBe(true);
    more.resolve();
    await pieces.return?.(undefined);
  });

  it('puts together what comes in very small pieces, once', async () => {
    const memory = createInputMemory().chunksOf('a v1');
    const trickle: Answer = ({ start, end }) =>
      Readable.from(
        Array.from({ length: end + 1 - start }, (_, index) => BYTES.subarray(start + index, start + index + 1)),
        { objectMode: false },
      );
    const reader = readerOf(sourceOf(trickle), { memory });
    expect((await all(reader.read(30, 320))).equals(BYTES.subarray(30, 321))).toBe(true);
    expect(memory.get(1)).toHaveLength(1);
  });

  it('hands on nothing of the last chunk of an answer that does not end where it should', async () => {
    const tooLong: Answer = ({ start, end }) =>
      Readable.from([BYTES.subarray(start, end + 1), Buffer.from('more')], { objectMode: false });
    const found: Buffer[] = [];
    const reading = async () => {
      for await (const bytes of readerOf(sourceOf(tooLong)).read(0, 399)) found.push(bytes);
    };
    await expect(reading()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: false });
    expect(Buffer.concat(found).length).toBeLessThanOrEqual(300);
  });

  it('asks at once for all of a span that is surely read to its end', async () => {
    const asked: ByteRange[] = [];
    const opened = Promise.withResolvers<void>();
    const source = sourceOf(honest, asked);
    const reader = readerOf({
      ...source,
      // Nothing is answered before all of it was asked for.
      async open(range, options) {
        const body = await source.open(range, options);
        if (asked.length === 2) opened.resolve();
        await opened.promise;
        return body;
      },
    });
    reader.prefetch(150, 849);
    expect((await all(reader.read(150, 849))).equals(BYTES.subarray(150, 850))).toBe(true);
    expect(asked).toEqual([
      { start: 100, end: 499 },
      { start: 500, end: 899 },
    ]);
  });

  it('asks for nothing that an earlier reader of the same version has left', async () => {
    const asked: ByteRange[] = [];
    const memory = createInputMemory().chunksOf('a v1');
    await all(readerOf(sourceOf(honest, asked), { memory }).read(0, 399));
    const next = readerOf(sourceOf(honest, asked), { memory });
    expect((await all(next.read(0, 599))).equals(BYTES.subarray(0, 600))).toBe(true);
    expect(asked).toEqual([
      { start: 0, end: 399 },
      { start: 400, end: 599 },
    ]);
  });

  it('goes on from where a connection broke', async () => {
    const asked: ByteRange[] = [];
    let bytes = 0;
    const breaking: Answer = (range, options, count) => {
      if (count > 2) return honest(range, options, count);
      return Readable.from(
        (function* () {
          yield BYTES.subarray(range.start, range.start + 30);
          throw new Error('ECONNRESET');
        })(),
        { objectMode: false },
      );
    };
    const reader = readerOf(sourceOf(breaking, asked), {
      onBytes: (count) => {
        bytes += count;
      },
    });
    expect((await all(reader.read(0, 99))).equals(BYTES.subarray(0, 100))).toBe(true);
    expect(asked.map(({ start }) => start)).toEqual([0, 30, 60]);
    expect(bytes).toBe(100);
  });

  it('takes a body that ends early for a broken one, and gives up after its attempts', async () => {
    const asked: ByteRange[] = [];
    const reader = readerOf(sourceOf(() => Readable.from([], { objectMode: false }), asked));
    await expect(all(reader.read(0, 99))).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true });
    expect(asked).toHaveLength(RETRY.attempts);
  });

  it('does not try again what no retry can mend, but asks anew for the next reader', async () => {
    const asked: ByteRange[] = [];
    const reader = readerOf(
      sourceOf((range, options, count) => {
        if (count === 1) throw new MillraceError('SOURCE_FORBIDDEN', 'no');
        return honest(range, options, count);
      }, asked),
    );
    await expect(all(reader.read(0, 99))).rejects.toMatchObject({ code: 'SOURCE_FORBIDDEN' });
    expect(asked).toHaveLength(1);
    expect(await all(reader.read(0, 99))).toHaveLength(100);
  });

  it('says SOURCE_CHANGED for another version or another size', async () => {
    const reader = readerOf(sourceOf(honest), { etag: { value: 'v0', sendIfMatch: true } });
    await expect(all(reader.read(0, 9))).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await expect(all(readerOf(sourceOf(honest), { totalBytes: TOTAL - 1 }).read(0, 9))).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
    });
  });
});

describe('gateway', () => {
  let gateway: Gateway | undefined;
  afterEach(() => gateway?.close());

  it('serves ranges of a lease, and nothing once it is closed', async () => {
    gateway = await startGateway({ randomToken: () => 'token' });
    const lease = gateway.lease(readerOf(sourceOf(honest)), 'parts');
    const part = await fetch(lease.url, { headers: { range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/1000']);
    expect(Buffer.from(await part.arrayBuffer()).equals(BYTES.subarray(10, 20))).toBe(true);
    const whole = await fetch(lease.url);
    expect([whole.status, (await whole.arrayBuffer()).byteLength]).toEqual([200, TOTAL]);
    expect((await fetch(lease.url, { headers: { range: 'bytes=1000-' } })).status).toBe(416);
    expect((await fetch(new URL('/other', lease.url))).status).toBe(404);
    expect((await fetch(lease.url, { method: 'POST' })).status).toBe(405);
    expect(lease.failure()).toBeUndefined();
    lease.close();
    expect((await fetch(lease.url)).status).toBe(404);
  });

  it('answers for an input that is yet to come once it is there, and with why it never came', async () => {
    gateway = await startGateway({ randomToken: randomUUID });
    const coming = Promise.withResolvers<RangedReader>();
    const lease = gateway.lease(coming.promise, 'whole');
    const asked = fetch(lease.url);
    await sleep(LONG_AFTER_MS);
    coming.resolve(readerOf(sourceOf(honest)));
    const answer = await asked;
    expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, TOTAL]);

    // Unheard of where nobody asks, too: an unhandled rejection would end the worker.
    const never = Promise.reject(new MillraceError('SOURCE_MISSING', 'not there'));
    const [unasked, other] = [gateway.lease(never, 'whole'), gateway.lease(never, 'whole')];
    await sleep(1);
    expect((await fetch(other.url)).status).toBe(502);
    expect([unasked.failure(), other.failure()?.code]).toEqual([undefined, 'SOURCE_MISSING']);
  });

  /** A source that counts what it is asked for. */
  function countingSource(totalBytes: number): { source: InputSource; askedBytes: () => number } {
    let askedBytes = 0;
    const source: InputSource = {
      ...sourceOf(honest),
      async open(range = { start: 0, end: totalBytes - 1 }) {
        askedBytes += range.end + 1 - range.start;
        const body = Readable.from([Buffer.alloc(range.end + 1 - range.start)], { objectMode: false });
        return { ranged: true, totalBytes, etag: 'v1', etagIsWeak: false, contentType: undefined, body };
      },
    };
    return { source, askedBytes: () => askedBytes };
  }

  /** Has read the headers and a little more: what an mp4 reader takes before it seeks. */
  async function readerThatRests(url: string): Promise<Socket> {
    const { hostname, port, pathname } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\nrange: bytes=0-\r\n\r\n`);
    await once(socket, 'readable');
    socket.read(1);
    await sleep(LONG_AFTER_MS);
    return socket;
  }

  it.skipIf(process.platform !== 'linux')('fetches no more for a reader of parts who does not read', async () => {
    gateway = await startGateway({ randomToken: () => 'token' });
    const totalBytes = 64 * CHUNK_BYTES;
    const { source, askedBytes } = countingSource(totalBytes);
    const lease = gateway.lease(readerOf(source, { totalBytes, chunkBytes: CHUNK_BYTES }), 'parts');
    const socket = await readerThatRests(lease.url);
    expect(askedBytes()).toBe(2 * CHUNK_BYTES);
    socket.resume();
    await once(socket, 'close');
    expect(askedBytes()).toBe(totalBytes);
    expect(lease.failure()).toBeUndefined();
  });

  it('fetches ahead for a reader of the whole, and nothing twice where it hangs up and asks again', async () => {
    gateway = await startGateway({ randomToken: () => 'token' });
    const totalBytes = 64 * CHUNK_BYTES;
    const { source, askedBytes } = countingSource(totalBytes);
    const lease = gateway.lease(readerOf(source, { totalBytes, chunkBytes: CHUNK_BYTES }), 'whole');
    const socket = await readerThatRests(lease.url);
    expect(askedBytes()).toBeGreaterThan(8 * CHUNK_BYTES);
    socket.destroy();
    const rest = await fetch(lease.url, { headers: { range: 'bytes=48-' } });
    expect((await rest.arrayBuffer()).byteLength).toBe(totalBytes - 48);
    expect(askedBytes()).toBe(totalBytes);
    expect(lease.failure()).toBeUndefined();
  });

  it('remembers what went wrong upstream', async () => {
    gateway = await startGateway({ randomToken: () => 'token' });
    const lease = gateway.lease(
      readerOf(
        sourceOf(() => {
          throw new MillraceError('SOURCE_MISSING', 'gone');
        }),
      ),
      'parts',
    );
    expect((await fetch(lease.url)).status).toBe(502);
    expect(lease.failure()).toMatchObject({ code: 'SOURCE_MISSING' });
  });

  it('reads ranges as RFC 9110 has them', () => {
    expect(requestedRange('bytes=0-', 10)).toEqual({ start: 0, end: 9 });
    expect(requestedRange('bytes=3-400', 10)).toEqual({ start: 3, end: 9 });
    expect(requestedRange('bytes=10-', 10)).toBe('outside');
    expect(requestedRange('bytes=-5', 10)).toBeUndefined();
    expect(requestedRange(undefined, 10)).toBeUndefined();
  });
});
