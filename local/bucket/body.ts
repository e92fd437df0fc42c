/** Receives a request's body: decodes it, checks it against everything its headers claim, hands it on a chunk at a time. */
import { createHash } from 'node:crypto';
import { timingSafeEqualText } from '../sigv4.ts';
import {
  CHECKSUM_ALGORITHMS,
  type Checksum,
  type ChecksumAlgorithm,
  checksumHeader,
  createChecksum,
  isDigest,
  parseAlgorithm,
} from './checksums.ts';
import { ChunkedDecoder } from './chunked.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';
import type { Authentication } from './signature.ts';

export interface ReceivedBody {
  readonly sizeBytes: number;
  readonly md5Hex: string;
  /** The checksum that came with the body, after it was found right. */
  readonly checksum: Checksum | undefined;
}

export interface ReceiveOptions {
  readonly authentication: Authentication;
  readonly maxBytes: number;
  /** Computed where the client sent no checksum, because a multipart upload was announced with it. */
  readonly computeAlgorithm?: ChecksumAlgorithm | undefined;
  readonly write: (chunk: Buffer) => void | Promise<void>;
}

/** S3's limit for what is not an object. */
const MAX_XML_BYTES = 2 * 1024 * 1024;

/** Throws what S3 answers where the body is not what it was said to be; whatever `write` was given must then be thrown away. */
export async function receiveBody(request: S3Request, options: ReceiveOptions): Promise<ReceivedBody> {
  const { payload } = options.authentication;
  const announcedBytes = announcedLength(request, options.authentication);
  if (announcedBytes > options.maxBytes) {
    throw new S3Error('EntityTooLarge', undefined, {
      ProposedSize: String(announcedBytes),
      MaxSizeAllowed: String(options.maxBytes),
    });
  }
  const announced = announcedChecksum(request);
  const contentMd5 = readContentMd5(request);
  const md5 = createHash('md5');
  const sha256 = payload.kind === 'hash' ? createHash('sha256') : undefined;
  const algorithm = announced?.algorithm ?? options.computeAlgorithm;
  const running = algorithm === undefined ? undefined : createChecksum(algorithm);
  const decoder =
    payload.kind === 'chunked'
      ? new ChunkedDecoder({
          signed: payload.signedChunks ? options.authentication : undefined,
          trailer: payload.trailer,
        })
      : undefined;

  let sizeBytes = 0;
  const take = async (data: Buffer): Promise<void> => {
    sizeBytes += data.length;
    if (sizeBytes > announcedBytes) throw new S3Error('IncompleteBody');
    md5.update(data);
    sha256?.update(data);
    running?.update(data);
    await options.write(data);
  };
  request.wantBody();
  // Leaving the loop early must not destroy the socket: the refusal still has to be sent through it.
  for await (const chunk of request.message.iterator({ destroyOnReturn: false })) {
    if (decoder === undefined) await take(chunk);
    else for (const data of decoder.decode(chunk)) await take(data);
  }
  decoder?.finish();
  if (sizeBytes !== announcedBytes) throw new S3Error('IncompleteBody');

  if (payload.kind === 'hash' && !timingSafeEqualText(sha256?.digest('hex') ?? '', payload.sha256Hex)) {
    throw new S3Error('XAmzContentSHA256Mismatch');
  }
  const md5Digest = md5.digest();
  if (contentMd5 !== undefined && md5Digest.toString('base64') !== contentMd5) {
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }
  const checksum = finishChecksum(algorithm, running?.digest(), announced, decoder?.trailers);
  return { sizeBytes, md5Hex: md5Digest.toString('hex'), checksum };
}

/** A body that is a document: read whole, within a limit. */
export async function receiveText(request: S3Request, authentication: Authentication): Promise<string> {
  const chunks: Buffer[] = [];
  await receiveBody(request, { authentication, maxBytes: MAX_XML_BYTES, write: (chunk) => void chunks.push(chunk) }).catch(
    (error: unknown) => {
      if (error instanceof S3Error && error.code === 'EntityTooLarge') throw new S3Error('MaxMessageLengthExceeded');
      throw error;
    },
  );
  return Buffer.concat(chunks).toString('utf8');
}

interface AnnouncedChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** `undefined` where it comes in the trailer. */
  readonly value: string | undefined;
}

function announcedChecksum(request: S3Request): AnnouncedChecksum | undefined {
  const found: AnnouncedChecksum[] = [];
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = request.headers.get(checksumHeader(algorithm));
    if (value === undefined) continue;
    if (!isDigest(algorithm, value)) throw invalidChecksum(algorithm);
    found.push({ algorithm, value });
  }
  for (const name of request.headers.get('x-amz-trailer')?.split(',') ?? []) {
    const algorithm = CHECKSUM_ALGORITHMS.find((candidate) => checksumHeader(candidate) === name.trim().toLowerCase());
    if (algorithm === undefined)
      throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported');
    found.push({ algorithm, value: undefined });
  }
  if (found.length > 1)
    throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.');
  const named = request.headers.get('x-amz-sdk-checksum-algorithm');
  if (named !== undefined) {
    const algorithm = parseAlgorithm(named);
    if (algorithm === undefined) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
    if (found[0] === undefined) {
      throw new S3Error(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      );
    }
    if (found[0].algorithm !== algorithm)
      throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
  }
  return found[0];
}

function finishChecksum(
  algorithm: ChecksumAlgorithm | undefined,
  digest: Buffer | undefined,
  announced: AnnouncedChecksum | undefined,
  trailers: ReadonlyMap<string, string> | undefined,
): Checksum | undefined {
  if (algorithm === undefined || digest === undefined) return undefined;
  const value = digest.toString('base64');
  if (announced !== undefined) {
    const claimed = announced.value ?? trailers?.get(checksumHeader(algorithm));
    if (claimed === undefined || !isDigest(algorithm, claimed)) throw invalidChecksum(algorithm);
    if (claimed !== value)
      throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
  }
  return { algorithm, value, type: 'FULL_OBJECT' };
}

function invalidChecksum(algorithm: ChecksumAlgorithm): S3Error {
  return new S3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
}

function readContentMd5(request: S3Request): string | undefined {
  const value = request.headers.get('content-md5');
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== value) throw new S3Error('InvalidDigest');
  return value;
}

/** The number of bytes after decoding. */
function announcedLength(request: S3Request, authentication: Authentication): number {
  const chunked = authentication.payload.kind === 'chunked';
  const header = request.headers.get(chunked ? 'x-amz-decoded-content-length' : 'content-length');
  if (header === undefined) {
    // As S3 does: a transfer encoding is no length. Clients that stream send aws-chunked with the decoded length.
    if (request.headers.has('transfer-encoding') && !chunked) {
      throw new S3Error('NotImplemented', undefined, { Header: 'Transfer-Encoding' });
    }
    if (!chunked && !request.headers.has('transfer-encoding')) {
      if (request.method === 'POST' || request.method === 'PUT') throw new S3Error('MissingContentLength');
      return 0;
    }
    throw new S3Error('MissingContentLength');
  }
  if (!/^\d{1,15}$/.test(header)) throw new S3Error('InvalidArgument', 'A length in the headers is not a number.');
  return Number(header);
}
