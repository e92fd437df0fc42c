/**
 * Reads an input in chunks of bounded size, each asked for by its own range request, and holds the last few. ffmpeg reads the
 * index of a master again for every segment: those reads end here instead of upstream.
 */
import { MillraceError } from '../../errors.ts';
import { NETWORK_RETRY, type RetryPolicy, withRetry } from '../retry.ts';
import type { Chunk, ChunkMemory } from './chunk-memory.ts';
import type { InputSource, SourceBody } from './source.ts';

export const CHUNK_BYTES = 128 * 1024;
/** Of 16 MB. */
const MAX_HELD_CHUNKS = 128;
/** One request asks for so many chunks at the most: half a megabyte. */
const MAX_RUN_CHUNKS = 4;
/** A reader that may leave at any moment gets this many first, and twice as many with each request that it waits for. */
const FIRST_RUN_CHUNKS = 2;
/** Sequential reading asks for this many chunks ahead, so that a slow network's latency is not paid per request. */
const READ_AHEAD_CHUNKS = 24;
/** Most reads of an index or of a short span end within this many chunks: those ask for nothing ahead. */
const CHUNKS_BEFORE_READ_AHEAD = 16;
/** Who has read this much goes on reading: a whole video, from here in requests of two megabytes, which cost a quarter as much. */
const CHUNKS_BEFORE_LONG_RUNS = 64;
const LONG_RUN_CHUNKS = 16;
const LONG_READ_AHEAD_CHUNKS = 32;
/** What is handed on at a time: a reader that hangs up has then taken little more than it wanted. */
const PIECE_BYTES = 64 * 1024;
/** A network that hands out less at a time has its pieces put together: each of them costs a write. */
const MAX_PIECES = 8;
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
  readonly #chunks = new Map<number, Promise<Chunk>>();

  constructor(options: RangedReaderOptions) {
    this.#options = options;
    this.#chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.totalBytes = options.totalBytes;
  }

  /** The first bytes were fetched to learn the size: they need not be fetched again. */
  hold(opening: Buffer): void {
    for (let start = 0; start < opening.length; start += this.#chunkBytes) {
      const end = Math.min(start + this.#chunkBytes, this.totalBytes);
      if (end <= opening.length) this.#chunks.set(start / this.#chunkBytes, Promise.resolve([opening.subarray(start, end)]));
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
      if (index - first >= CHUNKS_BEFORE_LONG_RUNS) this.#fetchAhead(index, last, LONG_RUN_CHUNKS, LONG_READ_AHEAD_CHUNKS);
      else if (index - first >= CHUNKS_BEFORE_READ_AHEAD) this.#fetchAhead(index, last, MAX_RUN_CHUNKS, READ_AHEAD_CHUNKS);
      const offset = index * this.#chunkBytes;
      yield* piecesBetween(await this.#chunk(index), start - offset, end + 1 - offset);
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
  #fetchAhead(index: number, last: number, runChunks: number, aheadChunks: number): void {
    const horizon = Math.min(last, index + aheadChunks);
    for (let next = index + 1; next <= horizon; next++) {
      if (this.#holds(next)) continue;
      if (next + runChunks - 1 > horizon && horizon < last) return;
      this.#fetchRun(next, Math.min(last, next + runChunks - 1));
    }
  }

  /** A held chunk, as the one that was used last. */
  #chunk(index: number): Promise<Chunk> {
    const chunk = this.#chunks.get(index) ?? this.#fetchRun(index, index);
    this.#chunks.delete(index);
    this.#chunks.set(index, chunk);
    return chunk;
  }

  /** Asks once for the chunks from `first` on, up to the first that is held. */
  #fetchRun(first: number, last: number): Promise<Chunk> {
    let count = 1;
    while (first + count <= last && !this.#holds(first + count)) count++;
    const chunks = this.#fetch(first, count);
    for (const [at, chunk] of chunks.entries()) {
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
    return chunks[0] ?? Promise.resolve([]);
  }

  /** `count` chunks, each there as soon as bytes behind it have arrived, and the last when the body has ended as it should. */
  #fetch(first: number, count: number): Promise<Chunk>[] {
    const { signal, retry = NETWORK_RETRY, memory, source, onBytes } = this.#options;
    const start = first * this.#chunkBytes;
    const lengthBytes = Math.min(count * this.#chunkBytes, this.totalBytes - start);
    const runs = Array.from({ length: count }, () => ({ ...Promise.withResolvers<Chunk>(), pieces: [] as Buffer[] }));
    let filled = 0;
    const finish = (at: number) => {
      const run = runs[at];
      if (run === undefined) return;
      const chunk = run.pieces.length > MAX_PIECES ? [Buffer.concat(run.pieces)] : run.pieces;
      memory?.keep(first + at, chunk);
      run.resolve(chunk);
    };
    const take = (bytes: Buffer) => {
      for (let taken = 0; taken < bytes.length; ) {
        const at = Math.floor(filled / this.#chunkBytes);
        const inChunk = filled - at * this.#chunkBytes;
        if (inChunk === 0 && at > 0) finish(at - 1);
        const piece = bytes.subarray(taken, taken + this.#chunkBytes - inChunk);
        runs[at]?.pieces.push(piece);
        taken += piece.length;
        filled += piece.length;
      }
    };
    const fill = async () => {
      // What has arrived stays: the next try asks for the rest.
      for await (const bytes of this.#body(start + filled, start + lengthBytes - 1)) {
        if (filled + bytes.length > lengthBytes) throw tooMuch(source);
        take(bytes);
        onBytes(bytes.length);
      }
      if (filled < lengthBytes) throw brokenOff(source);
    };
    withRetry(fill, { signal, policy: retry, code: 'SOURCE_UNREACHABLE' }).then(
      () => finish(count - 1),
      // Those that are there already keep what they have.
      (thrown: unknown) => {
        for (const { reject } of runs) reject(thrown);
      },
    );
    return runs.map(({ promise }) => promise);
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

/** The bytes of a chunk between two places in it. */
function* piecesBetween(chunk: Chunk, start: number, end: number): Generator<Buffer> {
  let at = 0;
  for (const bytes of chunk) {
    const stop = Math.min(bytes.length, end - at);
    for (let from = Math.max(0, start - at); from < stop; from += PIECE_BYTES) {
      yield bytes.subarray(from, Math.min(stop, from + PIECE_BYTES));
    }
    at += bytes.length;
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
