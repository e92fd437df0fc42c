/** What an operation is given, and what it must say about itself. */
import type { Logger } from '../../log.ts';
import type { BucketDatabase } from './database.ts';
import type { ObjectFiles } from './files.ts';
import type { Objects, Origin } from './objects.ts';
import type { Outbox } from './outbox.ts';
import type { S3Request } from './request.ts';
import type { S3Response } from './response.ts';
import type { Authentication } from './signature.ts';
import type { Uploads } from './uploads.ts';

export interface BucketState {
  readonly database: BucketDatabase;
  readonly files: ObjectFiles;
  readonly objects: Objects;
  readonly uploads: Uploads;
  readonly outbox: Outbox;
  readonly region: string;
  readonly now: () => number;
}

/** A request that may be carried out. */
export interface ServiceCall {
  readonly state: BucketState;
  readonly request: S3Request;
  readonly authentication: Authentication;
  readonly origin: Origin;
  readonly log: Logger;
}

/** `key` is empty where an operation is on the bucket. */
export interface ObjectCall extends ServiceCall {
  readonly bucket: string;
  readonly key: string;
}

export interface Operation {
  readonly name: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly on: 'service' | 'bucket' | 'object';
  /** Query parameters that make a request this one; `name` or `name=value`. */
  readonly selects?: readonly string[];
  /** A copy is told from an upload by its header. */
  readonly copies?: boolean;
  /** Further query parameters that it reads. */
  readonly parameters?: readonly string[];
  /** `x-amz-` headers that it obeys; one that ends in `-` stands for all that start so. */
  readonly headers?: readonly string[];
  readonly handle: (call: ObjectCall) => Promise<S3Response>;
}
