/** An input in a bucket that the worker has no credentials for, but that the public may read. */
import { MillraceError } from '../../errors.ts';
import type { GuardedFetch } from '../../storage/guarded-fetch.ts';
import { createHttpSource } from './http-source.ts';
import type { InputSource } from './source.ts';

export interface PublicBase {
  readonly baseUrl: string;
  /** The only bucket that lies behind it; any, where it is not given. */
  readonly bucket?: string;
}

export function createPublicSource(base: PublicBase, uri: { bucket: string; key: string }, fetch: GuardedFetch): InputSource {
  const path = uri.key.split('/').map(encodeURIComponent).join('/');
  const source = createHttpSource({ url: `${base.baseUrl.replace(/\/+$/, '')}/${path}`, fetch });
  const label = `s3://${uri.bucket}/${uri.key}`;
  return {
    label,
    fileName: source.fileName,
    async open(range, options) {
      try {
        return await source.open(range, options);
      } catch (thrown) {
        if (!(thrown instanceof MillraceError) || thrown.code === 'SOURCE_CHANGED' || thrown.code === 'CANCELLED') throw thrown;
        throw new MillraceError('PUBLIC_GET_FAILED', `${label} could not be read through R2_PUBLIC_BASE_URL: ${thrown.message}`, {
          cause: thrown,
          context: thrown.context,
          retryable: thrown.retryable,
        });
      }
    },
  };
}
