/** From an input's URI to the place to read it from. */
import { MillraceError } from '../../errors.ts';
import type { GuardedFetch } from '../../storage/guarded-fetch.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { parseUri } from '../../storage/uri.ts';
import { createHttpSource } from './http-source.ts';
import { createPublicSource, type PublicBase } from './public-source.ts';
import type { InputSource } from './source.ts';
import { createStoreSource } from './store-source.ts';

/** The store of a bucket, or `undefined` where the worker has no credentials for that kind. */
export type StoreFor = (scheme: 's3' | 'gs', bucket: string) => ObjectStore | undefined;

export interface SourceOptions {
  readonly fetch: GuardedFetch;
  readonly storeFor: StoreFor | undefined;
  readonly publicBase: PublicBase | undefined;
}

/** Throws URI_INVALID, or NO_PRESIGN_METHOD_AVAILABLE where a bucket can be read in no way. */
export function resolveSource(text: string, { fetch, storeFor, publicBase }: SourceOptions): InputSource {
  const uri = parseUri(text);
  if (!('key' in uri)) return createHttpSource({ url: uri.url, fetch });
  const store = storeFor?.(uri.scheme, uri.bucket);
  if (store !== undefined) return createStoreSource(store, uri.key);
  const isPublic = uri.scheme === 's3' && publicBase !== undefined && (publicBase.bucket ?? uri.bucket) === uri.bucket;
  if (isPublic) return createPublicSource(publicBase, uri, fetch);
  throw new MillraceError('NO_PRESIGN_METHOD_AVAILABLE', `There is no way to read ${uri.scheme}://${uri.bucket}/${uri.key}.`, {
    fix: 'Give the worker credentials (HMAC_KEY and HMAC_SECRET), or R2_PUBLIC_BASE_URL for s3:// inputs, or send presigned URLs.',
  });
}
