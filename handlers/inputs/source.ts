/** What the gateway asks of the place where an input is. One is made per input, from its URI. */
import type { Readable } from 'node:stream';

/** Inclusive bounds, in bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface OpenOptions {
  /** Without quotes. Fails with SOURCE_CHANGED where the input has another ETag. */
  readonly ifMatch: string | undefined;
  readonly signal: AbortSignal;
}

export interface SourceBody {
  /** False where the server answered with the whole, although a range was asked for. */
  readonly ranged: boolean;
  /** Of the whole input; `undefined` where the server does not say. */
  readonly totalBytes: number | undefined;
  /** Without quotes and weakness mark. */
  readonly etag: string | undefined;
  /** A weak one must not be sent back in If-Match: it would never match. */
  readonly etagIsWeak: boolean;
  readonly contentType: string | undefined;
  /** Must be read to its end or destroyed. May fail with Node's own errors. */
  readonly body: Readable;
}

export interface InputSource {
  /** Safe to print. */
  readonly label: string;
  /** The last part of its path, for what a file's name tells. */
  readonly fileName: string;
  /**
   * Throws SOURCE_MISSING, SOURCE_FORBIDDEN, SOURCE_CHANGED, SOURCE_REFUSED, PRESIGNED_URL_EXPIRED, SOURCE_UNREACHABLE, or
   * PUBLIC_GET_FAILED where the input is read through a public address.
   */
  open(range: ByteRange | undefined, options: OpenOptions): Promise<SourceBody>;
}
