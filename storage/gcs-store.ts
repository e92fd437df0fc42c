/**
 * An ObjectStore on Google Cloud Storage's own APIs, where conditional creation is honoured: its S3-interoperable one overwrites.
 *
 * Writes, listings and HEADs go through the JSON API; bodies are read through the XML API, whose headers tell size, generation and
 * metadata with the first byte. What stands for an ETag here is the generation: see gcs-version.ts.
 */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { MillraceError } from '../errors.ts';
import { behindFolder, folderNames } from './folders.ts';
import { createGcsClient, type GcsClientSettings } from './gcs-client.ts';
import { createGcsObject } from './gcs-create.ts';
import { GcsRefusal, gcsError } from './gcs-errors.ts';
import {
  FOLDER_FIELDS,
  GcsObject,
  GcsPage,
  headOf,
  headOfHeaders,
  LISTED_FIELDS,
  OBJECT_FIELDS,
  readDocument,
} from './gcs-object.ts';
import { createGcsPresigner } from './gcs-presign.ts';
import { insertObject, insertStream } from './gcs-upload.ts';
import { generationOf, generationVersion } from './gcs-version.ts';
import type { ObjectHead, ObjectInfo, ObjectStore } from './object-store.ts';

export interface GcsStoreOptions extends GcsClientSettings {
  readonly bucket: string;
  /** A new text every time; UUIDs unless given. */
  readonly randomId?: () => string;
}

/** An ObjectStore that also gives its sockets back. */
export interface GcsStore extends ObjectStore {
  close(): void;
}

/** Google's own limit. */
const MAX_PAGE_OBJECTS = 1000;

export function createGcsStore(options: GcsStoreOptions): GcsStore {
  const { bucket, randomId = randomUUID } = options;
  const client = createGcsClient(options);
  const presigner = createGcsPresigner(client, bucket);
  const objects = `/storage/v1/b/${encodeURIComponent(bucket)}/o`;

  async function attempt<T>(method: string, key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw gcsError(thrown, { scheme: 'gs', bucket, method, key, signal });
    }
  }

  function head(key: string, signal?: AbortSignal): Promise<ObjectHead | null> {
    return attempt('objects.get', key, signal, () =>
      unlessMissing(async () => {
        const query = new URLSearchParams({ fields: OBJECT_FIELDS });
        const target = `${objects}/${encodeURIComponent(key)}?${query}`;
        return headOf(await readDocument(GcsObject, (await client.repeatedly({ method: 'GET', target, signal })).body));
      }),
    );
  }

  async function* pages(
    prefix: string,
    parameters: Readonly<Record<string, string>>,
    startOffset: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<GcsPage> {
    let token: string | undefined;
    do {
      const query = new URLSearchParams({
        prefix,
        maxResults: String(MAX_PAGE_OBJECTS),
        ...parameters,
        ...(startOffset === undefined ? {} : { startOffset }),
        ...(token === undefined ? {} : { pageToken: token }),
      });
      const page = await attempt('objects.list', prefix, signal, async () =>
        readDocument(GcsPage, (await client.repeatedly({ method: 'GET', target: `${objects}?${query}`, signal })).body),
      );
      if (page.nextPageToken !== undefined && page.nextPageToken === token) {
        const context = { method: 'objects.list', bucket, key: prefix };
        throw new MillraceError('STORE_ERROR', `the listing of gs://${bucket}/${prefix} does not advance`, { context });
      }
      yield page;
      token = page.nextPageToken;
    } while (token !== undefined);
  }

  return {
    scheme: 'gs',
    bucket,
    head,

    async *list(prefix, { startAfter, signal } = {}) {
      for await (const { items = [] } of pages(prefix, { fields: LISTED_FIELDS }, startAfter, signal)) {
        // startOffset is inclusive.
        yield items.filter(({ name }) => name !== startAfter).map(infoOf);
      }
    },

    async *listFolders(prefix, { startAfter, signal } = {}) {
      const from = startAfter === undefined ? undefined : behindFolder(prefix, startAfter);
      for await (const page of pages(prefix, { fields: FOLDER_FIELDS, delimiter: '/' }, from, signal)) {
        yield folderNames(prefix, page.prefixes ?? [], startAfter);
      }
    },

    get(key, { range, ifMatch, signal } = {}) {
      return attempt('GET Object', key, signal, async () => {
        const generation = generationOf(ifMatch);
        if (ifMatch !== undefined && generation === undefined) {
          throw new MillraceError(
            'SOURCE_CHANGED',
            `gs://${bucket}/${key} is not the version ${ifMatch}, which is no generation`,
            {
              context: { bucket, key },
            },
          );
        }
        return unlessMissing(async () => {
          const { headers, body } = await client.repeatedly({
            method: 'GET',
            target: `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`,
            headers: {
              // Ranges are counted in the bytes as stored.
              'accept-encoding': 'identity',
              ...(range === undefined ? {} : { range: `bytes=${range.start}-${range.end ?? ''}` }),
              ...(generation === undefined ? {} : { 'x-goog-if-generation-match': generation }),
            },
            signal,
          });
          try {
            return { ...headOfHeaders(key, headers), body };
          } catch (thrown) {
            body.destroy();
            throw thrown;
          }
        });
      });
    },

    put(key, body, putOptions = {}) {
      return attempt('objects.insert', key, putOptions.signal, async () => {
        const upload = { client, bucket, key, options: putOptions };
        if (!(body instanceof Readable)) return writtenAs(await insertObject(upload, body));
        const { contentLengthBytes } = putOptions;
        if (contentLengthBytes === undefined) {
          body.destroy();
          throw new TypeError('a stream needs contentLengthBytes');
        }
        return writtenAs(await insertStream(upload, body, contentLengthBytes));
      });
    },

    createIfAbsent(key, body, putOptions = {}) {
      const upload = { client, bucket, key, options: putOptions };
      return attempt('objects.insert', key, putOptions.signal, () => createGcsObject({ upload, head, randomId }, body));
    },

    delete(key, signal) {
      return attempt('objects.delete', key, signal, async () => {
        const target = `${objects}/${encodeURIComponent(key)}`;
        (await unlessMissing(() => client.repeatedly({ method: 'DELETE', target, signal })))?.body.resume();
      });
    },

    presignGet(key, { expiresInSeconds }) {
      return attempt('sign GET', key, undefined, () => presigner.get(key, expiresInSeconds));
    },

    presignPut(key, { expiresInSeconds, metadata = {} }) {
      return attempt('sign PUT', key, undefined, () => presigner.put(key, expiresInSeconds, metadata));
    },

    close() {
      client.close();
    },
  };
}

function infoOf(object: GcsObject): ObjectInfo {
  const { key, sizeBytes, etag, lastModifiedMs } = headOf(object);
  return { key, sizeBytes, etag, lastModifiedMs, generation: object.generation };
}

const writtenAs = ({ generation }: GcsObject): { readonly etag: string } => ({ etag: generationVersion(generation) });

/** `null` for a missing object; a missing bucket stays an error. */
async function unlessMissing<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof GcsRefusal && thrown.status === 404 && !thrown.isBucketMissing) return null;
    throw thrown;
  }
}
