/** Writes to Google's JSON API: one request for what fits into memory, a resumable session for what does not. */
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { MillraceError } from '../errors.ts';
import { exactLength } from './body-length.ts';
import type { GcsAnswer, GcsClient } from './gcs-client.ts';
import { GcsRefusal, isNetworkFailure, isTransientStatus } from './gcs-errors.ts';
import { GcsObject, lowerCased, OBJECT_FIELDS, readDocument } from './gcs-object.ts';
import type { PutOptions } from './object-store.ts';

/** Google's unit for all chunks but the last. */
const CHUNK_UNIT_BYTES = 256 * 1024;
/** What one upload holds in memory, so that it can send it again. Streams up to this length go in one request. */
const CHUNK_BYTES = 32 * CHUNK_UNIT_BYTES;
/** How often a chunk may get no further before the upload is given up. */
const MAX_STANDSTILLS = 5;

export interface Upload {
  readonly client: GcsClient;
  readonly bucket: string;
  readonly key: string;
  readonly options: PutOptions;
}

const uploadPath = (bucket: string) => `/upload/storage/v1/b/${encodeURIComponent(bucket)}/o`;

function resourceOf({ key, options }: Upload, mark: Readonly<Record<string, string>> = {}) {
  const { contentType, metadata } = options;
  return JSON.stringify({
    name: key,
    ...(contentType === undefined ? {} : { contentType }),
    metadata: { ...lowerCased(metadata ?? {}), ...mark },
  });
}

/** A request that writes the whole object; with `mark` only where there is none yet. */
export function insertRequest(upload: Upload, body: Uint8Array | string, mark?: Readonly<Record<string, string>>) {
  const { bucket, options } = upload;
  const boundary = `millrace-${randomUUID()}`;
  const query = new URLSearchParams({
    uploadType: 'multipart',
    fields: OBJECT_FIELDS,
    ...(mark === undefined ? {} : { ifGenerationMatch: '0' }),
  });
  const contentType = options.contentType ?? 'application/octet-stream';
  const head =
    `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${resourceOf(upload, mark)}\r\n` +
    `--${boundary}\r\nContent-Type: ${contentType}\r\n\r\n`;
  return {
    method: 'POST' as const,
    target: `${uploadPath(bucket)}?${query}`,
    headers: { 'content-type': `multipart/related; boundary=${boundary}` },
    body: Buffer.concat([Buffer.from(head), Buffer.from(body), Buffer.from(`\r\n--${boundary}--\r\n`)]),
    signal: options.signal,
  };
}

/** Sent again where that helps: writing the same bytes twice is harmless. */
export async function insertObject(upload: Upload, body: Uint8Array | string): Promise<GcsObject> {
  const answer = await upload.client.repeatedly(insertRequest(upload, body));
  return readDocument(GcsObject, answer.body);
}

/** Throws SOURCE_UNREACHABLE or SOURCE_CHANGED where `body` is not `lengthBytes` long; the key is as it was before then. */
export async function insertStream(upload: Upload, body: Readable, lengthBytes: number): Promise<GcsObject> {
  const { signal } = upload.options;
  const exact = exactLength(body, lengthBytes);
  // It may break while the session is being opened, when nobody reads it yet; the first read is told.
  exact.once('error', () => undefined);
  const stop = () => exact.destroy(Object.assign(new Error('stopped'), { code: 'ABORT_ERR' }));
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();
  try {
    const chunks = inChunks(exact);
    if (lengthBytes <= CHUNK_BYTES) {
      const parts: Buffer[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      return await insertObject(upload, Buffer.concat(parts));
    }
    return await insertInSession(upload, chunks, lengthBytes);
  } finally {
    signal?.removeEventListener('abort', stop);
    body.destroy();
    exact.destroy();
  }
}

/** Pieces of exactly CHUNK_BYTES, and a rest. Nothing comes where the last byte has not arrived: `exact` throws before. */
async function* inChunks(source: Readable): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const piece of source) {
    held.push(piece);
    heldBytes += piece.length;
    while (heldBytes > CHUNK_BYTES) {
      const all = Buffer.concat(held);
      yield all.subarray(0, CHUNK_BYTES);
      held = [all.subarray(CHUNK_BYTES)];
      heldBytes -= CHUNK_BYTES;
    }
  }
  // The last piece waits for the end of the source, so that a source that breaks there completes nothing.
  yield Buffer.concat(held);
}

async function insertInSession(upload: Upload, chunks: AsyncIterable<Buffer>, lengthBytes: number): Promise<GcsObject> {
  const session = await openSession(upload, lengthBytes);
  let ended = false;
  try {
    let sentBytes = 0;
    for await (const chunk of chunks) {
      const object = await sendChunk(upload, session, { chunk, from: sentBytes, lengthBytes });
      sentBytes += chunk.length;
      if (object === undefined) continue;
      ended = true;
      return object;
    }
    throw new MillraceError('STORE_ERROR', 'the upload was not completed by its last chunk');
  } catch (thrown) {
    throw isSessionLost(thrown) ? new GcsRefusal(503, '"reason": "uploadSessionLost"') : thrown;
  } finally {
    if (!ended) await forget(upload.client, session);
  }
}

async function openSession(upload: Upload, lengthBytes: number): Promise<string> {
  const { client, bucket, options } = upload;
  const query = new URLSearchParams({ uploadType: 'resumable', fields: OBJECT_FIELDS });
  const answer = await client.repeatedly({
    method: 'POST',
    target: `${uploadPath(bucket)}?${query}`,
    headers: {
      'content-type': 'application/json; charset=UTF-8',
      'x-upload-content-length': String(lengthBytes),
      ...(options.contentType === undefined ? {} : { 'x-upload-content-type': options.contentType }),
    },
    body: Buffer.from(resourceOf(upload)),
    signal: options.signal,
  });
  answer.body.resume();
  const { location } = answer.headers;
  const address = URL.parse(location ?? '');
  if (address === null) throw new MillraceError('STORE_ERROR', 'Google opened an upload without saying where');
  // On our own endpoint, whatever host it names: that is where our tokens may go, and where a private address leads.
  return `${address.pathname}${address.search}`;
}

interface Chunk {
  readonly chunk: Buffer;
  /** Where it begins in the object. */
  readonly from: number;
  readonly lengthBytes: number;
}

/** Until all of the chunk is there, however many tries lose their answer on the way. The object, once it is complete. */
async function sendChunk({ client, options }: Upload, session: string, { chunk, from, lengthBytes }: Chunk) {
  const { signal } = options;
  let offset = 0;
  for (let standstills = 0; ; ) {
    const before = offset;
    try {
      // With every byte there, an empty request asks for the end.
      const range = offset === chunk.length ? `*/${lengthBytes}` : `${from + offset}-${from + chunk.length - 1}/${lengthBytes}`;
      const answer = await putRange(client, session, range, chunk.subarray(offset), signal);
      if (answer.status !== 308) return await readDocument(GcsObject, answer.body);
      offset = takenBytes(answer) - from;
    } catch (thrown) {
      if (!isTransient(thrown) || signal?.aborted === true) throw thrown;
      const seen = await askSession(client, session, lengthBytes, signal);
      if (typeof seen !== 'number') return seen;
      offset = seen - from;
    }
    if (offset < 0 || offset > chunk.length) throw new MillraceError('STORE_ERROR', 'Google lost a part of an upload');
    if (offset === chunk.length && from + offset < lengthBytes) return undefined;
    if (offset > before) continue;
    standstills += 1;
    if (standstills === MAX_STANDSTILLS) throw new GcsRefusal(503, '"reason": "uploadStandsStill"');
    await client.pause(standstills, signal);
  }
}

/** How many bytes have arrived, or the object where the lost answer was that of the last ones. */
async function askSession(client: GcsClient, session: string, lengthBytes: number, signal: AbortSignal | undefined) {
  const request = { method: 'PUT' as const, target: session, headers: { 'content-range': `bytes */${lengthBytes}` }, signal };
  const answer = await client.repeatedly(request);
  return answer.status === 308 ? takenBytes(answer) : readDocument(GcsObject, answer.body);
}

function putRange(client: GcsClient, session: string, range: string, body: Buffer, signal: AbortSignal | undefined) {
  return client.once({ method: 'PUT', target: session, headers: { 'content-range': `bytes ${range}` }, body, signal });
}

/** No Range header: nothing has arrived. */
function takenBytes(answer: GcsAnswer): number {
  answer.body.resume();
  const last = /^bytes=0-(\d+)$/.exec(answer.headers.range ?? '')?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

function isTransient(thrown: unknown): boolean {
  return thrown instanceof GcsRefusal ? isTransientStatus(thrown.status) : isNetworkFailure(thrown);
}

/** Google forgets sessions now and then; the upload has to begin again, which only whoever has the body can do. */
function isSessionLost(thrown: unknown): boolean {
  return thrown instanceof GcsRefusal && (thrown.status === 404 || thrown.status === 410);
}

/** Its parts would else lie there, and be paid for, for a week. Google answers 499, which is its way of saying done. */
async function forget(client: GcsClient, session: string): Promise<void> {
  await client.once({ method: 'DELETE', target: session }).then(
    ({ body }) => body.resume(),
    () => undefined,
  );
}
