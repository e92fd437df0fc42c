/** What Millrace asks of a bucket. One instance is bound to one bucket. */
import type { Readable } from 'node:stream';

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /** Without quotes. From Google's own API it is `generation-<digits>`: gcs-version.ts says why. */
  readonly etag: string;
  readonly lastModifiedMs: number;
  /** Only on stores that have generations (gs://). */
  readonly generation?: string;
}

export interface ObjectHead extends ObjectInfo {
  readonly contentType: string | undefined;
  /** User metadata, names in lower case without their `x-amz-meta-` or `x-goog-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ObjectBody extends ObjectHead {
  /** Must be read to its end or destroyed: an abandoned body holds a socket. */
  readonly body: Readable;
}

export interface PutOptions {
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Needed where `body` is a stream. */
  readonly contentLengthBytes?: number;
  readonly signal?: AbortSignal;
}

export interface GetOptions {
  /** Inclusive bounds, in bytes; `end` left out reads to the end. */
  readonly range?: { readonly start: number; readonly end?: number };
  /** Fails with SOURCE_CHANGED where the object has another ETag. */
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
}

export interface PresignedPut {
  readonly url: string;
  /** Headers that were signed and must be sent exactly so. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ObjectStore {
  /** `s3` or `gs`. */
  readonly scheme: 's3' | 'gs';
  readonly bucket: string;

  /** All objects whose key starts with `prefix`, in key order (UTF-8 bytes), a page at a time. */
  list(
    prefix: string,
    options?: { readonly startAfter?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<readonly ObjectInfo[]>;
  /**
   * The folders right under `prefix`, which ends with a slash: `talk-1` for everything under `pipelines/talk-1/`. In the order of their
   * keys, a page at a time; a request for every thousand, however much lies in them. `startAfter` is such a name.
   */
  listFolders(
    prefix: string,
    options?: { readonly startAfter?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<readonly string[]>;
  /** `null` where there is no such object. */
  head(key: string, signal?: AbortSignal): Promise<ObjectHead | null>;
  /** `null` where there is no such object. */
  get(key: string, options?: GetOptions): Promise<ObjectBody | null>;
  /** Writes or overwrites. A stream needs `contentLengthBytes`. */
  put(key: string, body: Readable | Uint8Array | string, options?: PutOptions): Promise<{ readonly etag: string }>;
  /** Writes unless the key exists. True for exactly one of any number of racers. */
  createIfAbsent(key: string, body: Uint8Array | string, options?: PutOptions): Promise<boolean>;
  /** Deleting what is not there is no error. */
  delete(key: string, signal?: AbortSignal): Promise<void>;

  presignGet(key: string, options: { readonly expiresInSeconds: number }): Promise<string>;
  presignPut(
    key: string,
    options: { readonly expiresInSeconds: number; readonly metadata?: Readonly<Record<string, string>> },
  ): Promise<PresignedPut>;
}
