/** An ObjectStore on the S3 API: AWS, R2, MinIO, Ceph and, except for conditional creation, Google's S3-interoperable API. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as timeout } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { MillraceError } from '../errors.ts';
import { exactLength } from './body-length.ts';
import { behindFolder, folderNames } from './folders.ts';
import type { ObjectHead, ObjectInfo, ObjectStore, PutOptions } from './object-store.ts';
import { createS3Client, type S3ClientSettings } from './s3-client.ts';
import { createObject, type Sleep } from './s3-create.ts';
import { type StoreRequest, storeError, storeFailure } from './s3-errors.ts';
import { createPresigner } from './s3-presign.ts';
import { MULTIPART_THRESHOLD_BYTES, uploadParts } from './s3-upload.ts';

export interface S3StoreOptions extends S3ClientSettings {
  readonly bucket: string;
  readonly scheme: 's3' | 'gs';
  /** A new text every time; UUIDs unless given. */
  readonly randomId?: () => string;
  /** 0 up to, not including, 1. */
  readonly random?: () => number;
  /** Waits between tries of a conditional creation. */
  readonly sleep?: Sleep;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** An ObjectStore that also gives its sockets back. */
export interface S3Store extends ObjectStore {
  close(): void;
}

export function createS3Store(options: S3StoreOptions): S3Store {
  const { bucket, scheme } = options;
  const client = createS3Client(options);
  const presigner = createPresigner({ client, bucket, now: options.now ?? Date.now });

  async function attempt<T>(method: string, key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw storeError(thrown, { scheme, bucket, method, key, signal } satisfies StoreRequest);
    }
  }

  function head(key: string, signal?: AbortSignal): Promise<ObjectHead | null> {
    return attempt('HeadObject', key, signal, async () => {
      const found = await unlessMissing(() => client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), sending(signal)));
      return found === null ? null : objectHead(key, found, found.ContentLength ?? 0);
    });
  }

  async function* pages(
    prefix: string,
    { StartAfter, Delimiter }: { readonly StartAfter?: string | undefined; readonly Delimiter?: string },
    signal: AbortSignal | undefined,
  ) {
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        // Without it one key with a character that XML cannot hold makes the whole page unreadable.
        EncodingType: 'url',
        ...(Delimiter === undefined ? {} : { Delimiter }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
        ...(token !== undefined || StartAfter === undefined ? {} : { StartAfter }),
      });
      const page = await attempt('ListObjectsV2', prefix, signal, () => client.send(command, sending(signal)));
      const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (page.IsTruncated === true && (next === undefined || next === token)) {
        const context = { method: 'ListObjectsV2', bucket, key: prefix };
        throw new MillraceError('STORE_ERROR', `the listing of ${scheme}://${bucket}/${prefix} does not advance`, { context });
      }
      const keyOf = (key = '') => (page.EncodingType === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key);
      yield { page, keyOf };
      token = next;
    } while (token !== undefined);
  }

  return {
    scheme,
    bucket,
    head,

    async *list(prefix, { startAfter, signal } = {}) {
      for await (const { page, keyOf } of pages(prefix, { StartAfter: startAfter }, signal)) {
        yield (page.Contents ?? []).map((object): ObjectInfo => {
          return {
            key: keyOf(object.Key),
            sizeBytes: object.Size ?? 0,
            etag: unquoted(object.ETag),
            lastModifiedMs: object.LastModified?.getTime() ?? 0,
          };
        });
      }
    },

    async *listFolders(prefix, { startAfter, signal } = {}) {
      const from = startAfter === undefined ? undefined : behindFolder(prefix, startAfter);
      for await (const { page, keyOf } of pages(prefix, { StartAfter: from, Delimiter: '/' }, signal)) {
        yield folderNames(
          prefix,
          (page.CommonPrefixes ?? []).map((each) => keyOf(each.Prefix)),
          startAfter,
        );
      }
    },

    get(key, { range, ifMatch, signal } = {}) {
      return attempt('GetObject', key, signal, async () => {
        const command = new GetObjectCommand({
          Bucket: bucket,
          Key: key,
          ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end ?? ''}` }),
          ...(ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` }),
        });
        const found = await unlessMissing(() => client.send(command, sending(signal)));
        if (found === null) return null;
        if (!(found.Body instanceof Readable)) throw new Error('the answer has no body');
        const wholeBytes = Number(/\/(\d+)$/.exec(found.ContentRange ?? '')?.[1] ?? found.ContentLength ?? 0);
        return { ...objectHead(key, found, wholeBytes), body: found.Body };
      });
    },

    put(key, body, putOptions = {}) {
      const { signal } = putOptions;
      return attempt('PutObject', key, signal, async () => {
        if (body instanceof Readable) return putStream(client, bucket, key, body, putOptions);
        const command = new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ...headers(putOptions) });
        return { etag: unquoted((await client.send(command, sending(signal))).ETag) };
      });
    },

    createIfAbsent(key, body, putOptions = {}) {
      const { randomId = randomUUID, random = Math.random, sleep = sleepFor } = options;
      return attempt('PutObject', key, putOptions.signal, () =>
        createObject({ client, bucket, head, randomId, random, sleep }, key, body, putOptions),
      );
    },

    delete(key, signal) {
      return attempt('DeleteObject', key, signal, async () => {
        await unlessMissing(() => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), sending(signal)));
      });
    },

    presignGet(key, { expiresInSeconds }) {
      return attempt('presign GetObject', key, undefined, () => presigner.get(key, expiresInSeconds));
    },

    presignPut(key, { expiresInSeconds, metadata = {} }) {
      return attempt('presign PutObject', key, undefined, () => presigner.put(key, expiresInSeconds, metadata));
    },

    close() {
      client.destroy();
    },
  };
}

const sleepFor: Sleep = (ms, signal) => timeout(ms, undefined, signal === undefined ? {} : { signal });

async function putStream(client: S3Client, bucket: string, key: string, body: Readable, options: PutOptions) {
  const { contentLengthBytes, signal } = options;
  if (contentLengthBytes === undefined) {
    body.destroy();
    throw new TypeError('a stream needs contentLengthBytes');
  }
  const input = { Bucket: bucket, Key: key, ...headers(options) };
  if (contentLengthBytes > MULTIPART_THRESHOLD_BYTES) {
    return { etag: unquoted(await uploadParts(client, input, body, contentLengthBytes, signal)) };
  }
  // The SDK pipes the body into the request and hears nothing of its errors: without this a broken source is a hanging request.
  const broken = new AbortController();
  const exact = exactLength(body, contentLengthBytes);
  exact.once('error', (error) => broken.abort(error));
  const command = new PutObjectCommand({ ...input, Body: exact, ContentLength: contentLengthBytes });
  const signals = signal === undefined ? broken.signal : AbortSignal.any([broken.signal, signal]);
  try {
    // A long upload is no slow answer; standing still is what ends it (socketTimeout).
    return { etag: unquoted((await client.send(command, { abortSignal: signals, requestTimeout: 0 })).ETag) };
  } catch (thrown) {
    throw broken.signal.aborted ? broken.signal.reason : thrown;
  } finally {
    body.destroy();
    exact.destroy();
  }
}

function headers({ contentType, metadata }: PutOptions) {
  return {
    ...(contentType === undefined ? {} : { ContentType: contentType }),
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
  };
}

function sending(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** `null` for a missing object; a missing bucket stays an error. */
async function unlessMissing<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (thrown) {
    const { status, name } = storeFailure(thrown);
    if (status === 404 && name !== 'NoSuchBucket') return null;
    throw thrown;
  }
}

interface HeadAnswer {
  readonly ETag?: string | undefined;
  readonly LastModified?: Date | undefined;
  readonly ContentType?: string | undefined;
  readonly Metadata?: Record<string, string> | undefined;
}

function objectHead(key: string, answer: HeadAnswer, sizeBytes: number): ObjectHead {
  return {
    key,
    sizeBytes,
    etag: unquoted(answer.ETag),
    lastModifiedMs: answer.LastModified?.getTime() ?? 0,
    contentType: answer.ContentType,
    metadata: answer.Metadata ?? {},
  };
}

function unquoted(etag: string | undefined): string {
  return (etag ?? '').replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
}
