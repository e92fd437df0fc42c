/**
 * Reads an input in chunks of bounded size, each asked for by its own range request, and holds the last few. ffmpeg reads the
 * index of a master again for every segment: those reads end here instead of upstream.
 */
import { MillraceError } from '../../errors.ts';
import { NETWORK_RETRY, type RetryPolicy, withRetry } from '../retry.ts';
import type { InputSource, SourceBody } from './source.ts';

export const CHUNK_BYTES = 512 * 1024;
const MAX_HELD_CHUNKS = 32;
/** Sequential reading asks for this many chunks ahead, so that a slow network's latency is not paid per chunk. */
const READ_AHEAD_CHUNKS = 6;
/** Most reads of an index or of a short span end within this many chunks: those ask for nothing ahead. */
const CHUNKS_BEFORE_READ_AHEAD = 4;
/** What is handed on at a time: a reader that hangs up has then taken little more than it wanted. */
const PIECE_BYTES = 64 * 1024;
/** A socket that trickles is as bad as one that is silent. */
export const CHUNK_TIME_LIMIT_MS = 60_000;

export interface RangedReaderOptions {
  readonly source: InputSource;
  readonly totalBytes: number;
  /** What every chunk must come from. */
  readonly etag: { readonly value: string; readonly sendIfMatch: boolean } | undefined;
  readonly signal: AbortSignal;
  /** Called with the bytes that came over the network. */
  readonly onBytes: (count: number) => void;
  readonly chunkBytes?: number;
  /** The longest that one request for a chunk may take. */
  readonly chunkTimeLimitMs?: number;
  readonly retry?: RetryPolicy;
}

export class RangedReader {
  readonly totalBytes: number;
  readonly #options: RangedReaderOptions;
  readonly #chunkBytes: number;
  /** In the order of their last use. */
  readonly #chunks = new Map<number, Promise<Buffer>>();

  constructor(options: RangedReaderOptions) {
    this.#options = options;
    this.#chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.totalBytes = options.totalBytes;
  }

  /** The first chunk was fetched to learn the size: it need not be fetched again. */
  hold(firstChunk: Buffer): void {
    if (firstChunk.length === Math.min(this.#chunkBytes, this.totalBytes)) this.#chunks.set(0, Promise.resolve(firstChunk));
  }

  /** Lets go of what is held, where an input is put aside for later. */
  release(): void {
    this.#chunks.clear();
  }

  /** The bytes from `start` to `end`, both inclusive, in pieces. Throws what the source throws, once retries are spent. */
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    const first = Math.floor(start / this.#chunkBytes);
    const last = Math.floor(Math.min(end, this.totalBytes - 1) / this.#chunkBytes);
    for (let index = first; index <= last; index++) {
      if (index - first >= CHUNKS_BEFORE_READ_AHEAD) this.#fetchAhead(index, last);
      const chunk = await this.#chunk(index);
      const offset = index * this.#chunkBytes;
      const stop = Math.min(chunk.length, end + 1 - offset);
      for (let from = Math.max(0, start - offset); from < stop; from += PIECE_BYTES) {
        yield chunk.subarray(from, Math.min(stop, from + PIECE_BYTES));
      }
    }
  }

  #fetchAhead(index: number, last: number): void {
    for (let next = index + 1; next <= Math.min(last, index + READ_AHEAD_CHUNKS); next++) {
      // Whoever reads that chunk sees its error; unread, it does not matter.
      this.#chunk(next).catch(() => undefined);
    }
  }

  #chunk(index: number): Promise<Buffer> {
    const chunk = this.#chunks.get(index) ?? this.#fetchHeld(index);
    this.#chunks.delete(index);
    this.#chunks.set(index, chunk);
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= MAX_HELD_CHUNKS) break;
      this.#chunks.delete(oldest);
    }
    return chunk;
  }

  /** A failed chunk is not held: the next reader may be luckier. */
  #fetchHeld(index: number): Promise<Buffer> {
    const chunk = this.#fetch(index);
    chunk.catch(() => {
      if (this.#chunks.get(index) === chunk) this.#chunks.delete(index);
    });
    return chunk;
  }

  async #fetch(index: number): Promise<Buffer> {
    const { signal, retry = NETWORK_RETRY } = this.#options;
    const start = index * this.#chunkBytes;
    const chunk = Buffer.allocUnsafe(Math.min(this.#chunkBytes, this.totalBytes - start));
    let filled = 0;
    const fill = async () => {
      // What has arrived stays: the next try asks for the rest.
      for await (const bytes of this.#body(start + filled, start + chunk.length - 1)) {
        if (filled + bytes.length > chunk.length) throw tooMuch(this.#options.source);
        bytes.copy(chunk, filled);
        filled += bytes.length;
        this.#options.onBytes(bytes.length);
      }
      if (filled < chunk.length) throw brokenOff(this.#options.source);
    };
    await withRetry(fill, { signal, policy: retry, code: 'SOURCE_UNREACHABLE' });
    return chunk;
  }

  async *#body(start: number, end: number): AsyncGenerator<Buffer> {
    const { source, etag, signal, chunkTimeLimitMs = CHUNK_TIME_LIMIT_MS } = this.#options;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(chunkTimeLimitMs)]);
    try {
      const ifMatch = etag?.sendIfMatch === true ? etag.value : undefined;
      const answer = await source.open({ start, end }, { ifMatch, signal: limited });
      const fault = faultOf(answer, this.totalBytes, etag?.value, source.label);
      if (fault !== undefined) {
        answer.body.destroy();
        throw fault;
      }
      yield* answer.body;
    } catch (thrown) {
      // The time limit of one chunk is the network's fault, not a cancellation.
      throw limited.aborted && !signal.aborted ? brokenOff(source) : thrown;
    }
  }
}

function faultOf(answer: SourceBody, totalBytes: number, etag: string | undefined, label: string): MillraceError | undefined {
  const otherVersion = etag !== undefined && answer.etag !== undefined && answer.etag !== etag;
  const otherSize = answer.totalBytes !== undefined && answer.totalBytes !== totalBytes;
  if (otherVersion || otherSize) return new MillraceError('SOURCE_CHANGED', `${label} changed while it was read.`);
  if (!answer.ranged) return new MillraceError('SOURCE_UNREACHABLE', `${label} stopped answering ranges.`);
  return undefined;
}

function brokenOff(source: InputSource): MillraceError {
  return new MillraceError('SOURCE_UNREACHABLE', `${source.label} could not be read to its end.`);
}

function tooMuch(source: InputSource): MillraceError {
  return new MillraceError('SOURCE_UNREACHABLE', `${source.label} sent more than was asked for.`, { retryable: false });
}
