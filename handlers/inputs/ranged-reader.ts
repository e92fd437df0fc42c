/**
 * Reads an input in chunks of bounded size, each asked for by its own range request, and holds the last few. ffmpeg reads the
 * index of a master again for every segment: those reads end here instead of upstream.
 */
import { MillraceError } from '../../errors.ts';
import { NETWORK_RETRY, type RetryPolicy, withRetry } from '../retry.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import type { InputSource, SourceBody } from './source.ts';

export const CHUNK_BYTES = 128 * 1024;
/** Of 16 MB. */
const MAX_HELD_CHUNKS = 128;
/** One request asks for so many chunks at the most: half a megabyte, the most that must be asked for again where it breaks off. */
const MAX_RUN_CHUNKS = 4;
/** A reader that may leave at any moment gets this many first, and twice as many with each request that it waits for. */
const FIRST_RUN_CHUNKS = 2;
/** Sequential reading asks for this many chunks ahead, so that a slow network's latency is not paid per request. */
const READ_AHEAD_CHUNKS = 24;
/** Most reads of an index or of a short span end within this many chunks: those ask for nothing ahead. */
const CHUNKS_BEFORE_READ_AHEAD = 16;
/** What is handed on at a time: a reader that hangs up has then taken little more than it wanted. */
const PIECE_BYTES = 64 * 1024;
/** The first request of an input asks for this much: all of a small one, and most headers. */
export const OPENING_BYTES = FIRST_RUN_CHUNKS * CHUNK_BYTES;
/** For one request. A socket that trickles is as bad as one that is silent. */
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
  /** The longest that one request may take. */
  readonly chunkTimeLimitMs?: number;
  readonly retry?: RetryPolicy;
  /** What earlier readers of this very version have left, and where this one leaves what it fetches. */
  readonly memory?: ChunkMemory;
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

  /** The first bytes were fetched to learn the size: they need not be fetched again. */
  hold(opening: Buffer): void {
    for (let start = 0; start < opening.length; start += this.#chunkBytes) {
      const end = Math.min(start + this.#chunkBytes, this.totalBytes);
      if (end <= opening.length) this.#chunks.set(start / this.#chunkBytes, Promise.resolve(opening.subarray(start, end)));
    }
  }

  /** Lets go of what is held, where an input is put aside for later. */
  release(): void {
    this.#chunks.clear();
  }

  /**
   * The bytes from `start` to `end`, both inclusive, in pieces. `isMoreWanted` is for readers that ask for more than they may want: less is
   * fetched at first, and every further request waits for its answer; at false the bytes end. Throws what the source throws, once
   * retries are spent.
   */
  async *read(start: number, end: number, isMoreWanted?: () => Promise<boolean>): AsyncGenerator<Buffer> {
    const first = Math.floor(start / this.#chunkBytes);
    const last = Math.floor(Math.min(end, this.totalBytes - 1) / this.#chunkBytes);
    let runChunks = isMoreWanted === undefined ? MAX_RUN_CHUNKS : FIRST_RUN_CHUNKS;
    for (let index = first; index <= last; index++) {
      if (!this.#holds(index)) {
        if (index > first && isMoreWanted !== undefined && !(await isMoreWanted())) return;
        this.#fetchRun(index, Math.min(last, index + runChunks - 1));
        runChunks = Math.min(2 * runChunks, MAX_RUN_CHUNKS);
      }
      if (index - first >= CHUNKS_BEFORE_READ_AHEAD) this.#fetchAhead(index, last);
      const chunk = await this.#chunk(index);
      const offset = index * this.#chunkBytes;
      const stop = Math.min(chunk.length, end + 1 - offset);
      for (let from = Math.max(0, start - offset); from < stop; from += PIECE_BYTES) {
        yield chunk.subarray(from, Math.min(stop, from + PIECE_BYTES));
      }
    }
  }

  /** Asks for all of a span at once, or for its first three megabytes: for whoever will surely read every byte of it. */
  prefetch(start: number, end: number): void {
    const first = Math.floor(start / this.#chunkBytes);
    const last = Math.floor(Math.min(end, this.totalBytes - 1) / this.#chunkBytes);
    for (let index = first; index <= Math.min(last, first + READ_AHEAD_CHUNKS); index++) {
      if (!this.#holds(index)) this.#fetchRun(index, Math.min(last, index + MAX_RUN_CHUNKS - 1));
    }
  }

  /** True where a chunk is here, under way, or left by an earlier reader. */
  #holds(index: number): boolean {
    if (this.#chunks.has(index)) return true;
    const left = this.#options.memory?.get(index);
    if (left === undefined) return false;
    this.#chunks.set(index, Promise.resolve(left));
    return true;
  }

  /** Whole runs only, or the rest. */
  #fetchAhead(index: number, last: number): void {
    const horizon = Math.min(last, index + READ_AHEAD_CHUNKS);
    for (let next = index + 1; next <= horizon; next++) {
      if (this.#holds(next)) continue;
      if (next + MAX_RUN_CHUNKS - 1 > horizon && horizon < last) return;
      this.#fetchRun(next, Math.min(last, next + MAX_RUN_CHUNKS - 1));
    }
  }

  /** A held chunk, as the one that was used last. */
  #chunk(index: number): Promise<Buffer> {
    const chunk = this.#chunks.get(index) ?? this.#fetchRun(index, index);
    this.#chunks.delete(index);
    this.#chunks.set(index, chunk);
    return chunk;
  }

  /** Asks once for the chunks from `first` on, up to the first that is held. */
  #fetchRun(first: number, last: number): Promise<Buffer> {
    let count = 1;
    while (first + count <= last && !this.#holds(first + count)) count++;
    const run = this.#fetch(first, count);
    for (let at = 0; at < count; at++) {
      const chunk = run.then((chunks) => chunks[at] ?? Buffer.alloc(0));
      this.#chunks.set(first + at, chunk);
      // A failed chunk is not held: the next reader may be luckier. Whoever reads it sees its error; unread, it does not matter.
      chunk.catch(() => {
        if (this.#chunks.get(first + at) === chunk) this.#chunks.delete(first + at);
      });
    }
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= MAX_HELD_CHUNKS) break;
      this.#chunks.delete(oldest);
    }
    return this.#chunks.get(first) ?? run.then(([chunk]) => chunk ?? Buffer.alloc(0));
  }

  /** `count` chunks, each in memory of its own: one that is held longer does not hold the others. */
  async #fetch(first: number, count: number): Promise<readonly Buffer[]> {
    const { signal, retry = NETWORK_RETRY } = this.#options;
    const start = first * this.#chunkBytes;
    const lengthBytes = Math.min(count * this.#chunkBytes, this.totalBytes - start);
    const chunks = Array.from({ length: count }, (_, at) =>
      Buffer.allocUnsafeSlow(Math.min(this.#chunkBytes, lengthBytes - at * this.#chunkBytes)),
    );
    let filled = 0;
    const fill = async () => {
      // What has arrived stays: the next try asks for the rest.
      for await (const bytes of this.#body(start + filled, start + lengthBytes - 1)) {
        if (filled + bytes.length > lengthBytes) throw tooMuch(this.#options.source);
        for (let taken = 0; taken < bytes.length; ) {
          const at = Math.floor(filled / this.#chunkBytes);
          const copied = bytes.copy(chunks[at] ?? Buffer.alloc(0), filled - at * this.#chunkBytes, taken);
          taken += copied;
          filled += copied;
        }
        this.#options.onBytes(bytes.length);
      }
      if (filled < lengthBytes) throw brokenOff(this.#options.source);
    };
    await withRetry(fill, { signal, policy: retry, code: 'SOURCE_UNREACHABLE' });
    for (const [at, chunk] of chunks.entries()) this.#options.memory?.keep(first + at, chunk);
    return chunks;
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
