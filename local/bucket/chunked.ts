/**
 * The `aws-chunked` body: `<hex size>[;chunk-signature=<hex>]\r\n<bytes>\r\n` … `0[;chunk-signature=<hex>]\r\n`, then trailer lines
 * and an empty line. Decoded in constant memory; chunk signatures are checked as each chunk ends, so what was handed on must not
 * be kept when this throws.
 */
import { createHash, type Hash } from 'node:crypto';
import { sha256Hex, signatureOf, timingSafeEqualText } from '../sigv4.ts';
import { S3Error } from './s3-error.ts';
import type { Authentication } from './signature.ts';

/** A size in hex, a signature, and some room. */
const MAX_LINE_BYTES = 1024;
const MAX_TRAILER_LINES = 16;
const EMPTY_SHA256 = sha256Hex('');
const NEWLINE = 0x0a;

export interface ChunkedOptions {
  /** Where chunks are signed: what their signatures are chained to. */
  readonly signed: Pick<Authentication, 'signingKey' | 'scope' | 'timestamp' | 'signature'> | undefined;
  readonly trailer: boolean;
}

type Part = 'header' | 'data' | 'data-end' | 'trailer' | 'end';

export class ChunkedDecoder {
  /** Lower-case names; complete once `finish` has returned. */
  readonly trailers = new Map<string, string>();
  readonly #options: ChunkedOptions;
  #part: Part = 'header';
  #line = Buffer.alloc(0);
  #remainingBytes = 0;
  #lastChunk = false;
  #chunkSignature = '';
  #previousSignature: string;
  #chunkHash: Hash | undefined;
  #trailerSignature: string | undefined;

  constructor(options: ChunkedOptions) {
    this.#options = options;
    this.#previousSignature = options.signed?.signature ?? '';
  }

  /** The decoded bytes in `chunk`, as views of it. */
  *decode(chunk: Buffer): Generator<Buffer> {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#part === 'data') {
        const data = chunk.subarray(offset, offset + this.#remainingBytes);
        offset += data.length;
        this.#remainingBytes -= data.length;
        this.#chunkHash?.update(data);
        if (this.#remainingBytes === 0) this.#part = 'data-end';
        yield data;
      } else {
        const newline = chunk.indexOf(NEWLINE, offset);
        const end = newline === -1 ? chunk.length : newline + 1;
        if (this.#line.length + (end - offset) > MAX_LINE_BYTES) throw malformed();
        this.#line = Buffer.concat([this.#line, chunk.subarray(offset, end)]);
        offset = end;
        if (newline !== -1) this.#readLine();
      }
    }
  }

  /** Must be called at the end of the body: throws where it ended too early. */
  finish(): void {
    // Some clients leave out the empty line behind the last chunk or trailer.
    if (this.#part === 'trailer' && this.#line.length === 0) this.#endTrailers();
    if (this.#part !== 'end') throw new S3Error('IncompleteBody');
  }

  #readLine(): void {
    const line = this.#line.toString('latin1').replace(/\r?\n$/, '');
    this.#line = Buffer.alloc(0);
    if (this.#part === 'header') this.#readHeader(line);
    else if (this.#part === 'data-end') this.#endChunk(line);
    else if (this.#part === 'trailer') this.#readTrailer(line);
    else if (line !== '') throw malformed();
  }

  #readHeader(line: string): void {
    const match = /^([0-9a-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line);
    if (match === null || (this.#options.signed !== undefined && match[2] === undefined)) throw malformed();
    this.#remainingBytes = Number.parseInt(match[1] ?? '', 16);
    this.#chunkSignature = match[2] ?? '';
    this.#lastChunk = this.#remainingBytes === 0;
    this.#chunkHash = this.#options.signed === undefined ? undefined : createHash('sha256');
    if (this.#lastChunk) {
      this.#checkChunk();
      this.#part = 'trailer';
    } else {
      this.#part = 'data';
    }
  }

  #endChunk(line: string): void {
    if (line !== '') throw malformed();
    this.#checkChunk();
    this.#part = 'header';
  }

  #checkChunk(): void {
    const { signed } = this.#options;
    if (signed === undefined) return;
    const bodyHash = this.#chunkHash?.digest('hex') ?? EMPTY_SHA256;
    const toSign = ['AWS4-HMAC-SHA256-PAYLOAD', signed.timestamp, signed.scope, this.#previousSignature, EMPTY_SHA256, bodyHash];
    this.#check(signatureOf(signed.signingKey, toSign.join('\n')), this.#chunkSignature);
  }

  #check(expected: string, given: string): void {
    if (!timingSafeEqualText(expected, given)) throw new S3Error('SignatureDoesNotMatch');
    this.#previousSignature = expected;
  }

  #readTrailer(line: string): void {
    if (line === '') {
      this.#endTrailers();
      return;
    }
    const colon = line.indexOf(':');
    if (colon < 1 || !this.#options.trailer || this.trailers.size >= MAX_TRAILER_LINES) throw malformed();
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'x-amz-trailer-signature') this.#trailerSignature = value;
    else this.trailers.set(name, value);
  }

  #endTrailers(): void {
    const { signed, trailer } = this.#options;
    if (signed !== undefined && trailer) {
      const lines = [...this.trailers].map(([name, value]) => `${name}:${value}\n`).join('');
      const toSign = ['AWS4-HMAC-SHA256-TRAILER', signed.timestamp, signed.scope, this.#previousSignature, sha256Hex(lines)];
      this.#check(signatureOf(signed.signingKey, toSign.join('\n')), this.#trailerSignature ?? '');
    }
    this.#part = 'end';
  }
}

function malformed(): S3Error {
  return new S3Error('InvalidRequest', 'The aws-chunked body is malformed.');
}
