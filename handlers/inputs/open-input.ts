/** Opens an input: learns its size and version with its first bytes, and how it can be read from then on. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MillraceError } from '../../errors.ts';
import { NETWORK_RETRY, type RetryPolicy, withRetry } from '../retry.ts';
import { quotaExceeded } from '../workspace.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { CHUNK_TIME_LIMIT_MS, OPENING_BYTES, RangedReader } from './ranged-reader.ts';
import type { InputSource, SourceBody } from './source.ts';

export interface OpenInput {
  /** Safe to print. */
  readonly label: string;
  readonly fileName: string;
  readonly contentType: string | undefined;
  /** Without quotes; `undefined` where the server tells none that stands for every byte. */
  readonly etag: string | undefined;
  readonly totalBytes: number;
  /** A file in the workspace where the server knows no ranges; otherwise what the gateway reads from. */
  readonly data: { readonly file: string } | { readonly reader: RangedReader };
  /** The whole input from its beginning; may be called again. */
  stream(): Readable;
}

export interface OpenInputOptions {
  /** The ETag that the run was planned with, without quotes. */
  readonly etag: string | undefined;
  /** Where the whole is put if it cannot be read in ranges. */
  readonly spoolFile: string;
  /** The most that may be put there; DISK_FULL beyond. */
  readonly spoolQuotaBytes: number;
  readonly signal: AbortSignal;
  readonly onBytes: (count: number) => void;
  readonly retry?: RetryPolicy;
  /** The longest that `OPENING_BYTES` may take to arrive: a socket that trickles is as bad as one that is silent. */
  readonly chunkTimeLimitMs?: number;
  /** What is left of earlier readings of the version that is found; asked only where the server tells one. */
  readonly memoryOf?: (etag: string, totalBytes: number) => ChunkMemory;
}

/** Throws what the source throws, SOURCE_CHANGED, or DISK_FULL. */
export async function openInput(source: InputSource, options: OpenInputOptions): Promise<OpenInput> {
  const { signal, retry = NETWORK_RETRY } = options;
  return withRetry(() => tryOpen(source, options), { signal, policy: retry, code: 'SOURCE_UNREACHABLE' });
}

async function tryOpen(source: InputSource, options: OpenInputOptions): Promise<OpenInput> {
  const { etag: planned, onBytes, chunkTimeLimitMs = CHUNK_TIME_LIMIT_MS } = options;
  const patience = createPatience(chunkTimeLimitMs, options.signal);
  try {
    const answer = await source.open({ start: 0, end: OPENING_BYTES - 1 }, { ifMatch: planned, signal: patience.signal });
    if (planned !== undefined && answer.etag !== undefined && answer.etag !== planned) {
      answer.body.destroy();
      throw new MillraceError('SOURCE_CHANGED', `${source.label} is not the version that was planned.`);
    }
    const { label, fileName } = source;
    const etag = answer.etagIsWeak ? undefined : answer.etag;
    const described = { label, fileName, contentType: answer.contentType, etag };
    if (!answer.ranged || answer.totalBytes === undefined) {
      const totalBytes = await download(answer, label, patience, options);
      const file = options.spoolFile;
      return { ...described, totalBytes, data: { file }, stream: () => createReadStream(file) };
    }
    const { totalBytes } = answer;
    const firstChunk = await collect(answer.body, OPENING_BYTES, onBytes);
    const reader = new RangedReader({
      ...{ source, totalBytes, etag: etagToHold(answer, planned), signal: options.signal, onBytes, chunkTimeLimitMs },
      ...retryOf(options),
      ...(etag === undefined || options.memoryOf === undefined ? {} : { memory: options.memoryOf(etag, totalBytes) }),
    });
    reader.hold(firstChunk);
    return { ...described, totalBytes, data: { reader }, stream: () => Readable.from(wholeOf(reader), { objectMode: false }) };
  } catch (thrown) {
    // Lost patience is the network's fault, not a cancellation.
    throw patience.isLost() ? new MillraceError('SOURCE_UNREACHABLE', `${source.label} sends too slowly.`) : thrown;
  } finally {
    patience.end();
  }
}

async function* wholeOf(reader: RangedReader): AsyncGenerator<Buffer> {
  if (reader.totalBytes > 0) yield* reader.read(0, reader.totalBytes - 1);
}

/** Every later request must meet the version that the first one met, planned or not: half of each would be neither. */
function etagToHold(answer: SourceBody, planned: string | undefined) {
  const value = answer.etag ?? planned;
  return value === undefined ? undefined : { value, sendIfMatch: planned !== undefined || !answer.etagIsWeak };
}

function retryOf({ retry }: OpenInputOptions): { retry?: RetryPolicy } {
  return retry === undefined ? {} : { retry };
}

async function collect(body: Readable, limitBytes: number, onBytes: (count: number) => void): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    onBytes(chunk.length);
    if (bytes > limitBytes) break;
  }
  return Buffer.concat(chunks);
}

async function download(
  answer: SourceBody,
  label: string,
  patience: Patience,
  { spoolFile, spoolQuotaBytes, onBytes }: OpenInputOptions,
): Promise<number> {
  if (answer.totalBytes !== undefined && answer.totalBytes > spoolQuotaBytes) {
    answer.body.destroy();
    throw quotaExceeded(spoolQuotaBytes);
  }
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes(chunk.length);
      if (Math.floor(bytes / OPENING_BYTES) < Math.floor((bytes + chunk.length) / OPENING_BYTES)) patience.renew();
      bytes += chunk.length;
      // An input without an end must not find out how large the disk is.
      done(bytes > spoolQuotaBytes ? quotaExceeded(spoolQuotaBytes) : null, chunk);
    },
  });
  try {
    await pipeline(answer.body, count, createWriteStream(spoolFile), { signal: patience.signal });
  } catch (thrown) {
    await rm(spoolFile, { force: true });
    throw thrown;
  }
  const { size } = await stat(spoolFile);
  if (answer.totalBytes !== undefined && size !== answer.totalBytes) {
    throw new MillraceError('SOURCE_UNREACHABLE', `${label} ended after ${size} of ${answer.totalBytes} bytes.`);
  }
  return size;
}

interface Patience {
  /** Aborted with `signal`, or once the time has passed. */
  readonly signal: AbortSignal;
  isLost(): boolean;
  renew(): void;
  end(): void;
}

function createPatience(limitMs: number, signal: AbortSignal): Patience {
  const lost = new AbortController();
  const timer = setTimeout(() => lost.abort(), limitMs);
  return {
    signal: AbortSignal.any([signal, lost.signal]),
    isLost: () => lost.signal.aborted && !signal.aborted,
    renew: () => void timer.refresh(),
    end: () => clearTimeout(timer),
  };
}
