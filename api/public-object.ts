/** Objects that lie behind a public address, for which this program needs no keys. */
import type { Readable } from 'node:stream';
import { MillraceError } from '../errors.ts';
import type { GuardedResponse } from '../storage/guarded-fetch.ts';
import type { ObjectUri } from '../storage/uri.ts';
import type { PublicAddress } from './parts.ts';

/** The address of an object, where there is one. */
export function publicUrl(address: PublicAddress | undefined, { scheme, bucket, key }: ObjectUri): string | undefined {
  if (address === undefined || scheme !== 's3' || (address.bucket ?? bucket) !== bucket) return undefined;
  return `${address.baseUrl.replace(/\/+$/, '')}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** Throws SOURCE_MISSING, SOURCE_FORBIDDEN or PUBLIC_GET_FAILED, none of which names more than the object. */
export async function openPublic({ fetch }: PublicAddress, url: string, label: string, signal: AbortSignal): Promise<Readable> {
  const { status, body } = await ask(fetch.request(url, { signal }), label);
  if (status === 200) return body;
  body.destroy();
  if (status === 404) throw new MillraceError('SOURCE_MISSING', `${label} is not there`);
  if (status === 401 || status === 403)
    throw new MillraceError('SOURCE_FORBIDDEN', `${label} may not be read by the public (${status})`);
  throw new MillraceError('PUBLIC_GET_FAILED', `${label} could not be read through the public address (${status})`);
}

/** Whether it is there. Servers that do not answer HEAD are asked for one byte. */
export async function isPublic({ fetch }: PublicAddress, url: string, label: string, signal: AbortSignal): Promise<boolean> {
  for (const request of [{ method: 'HEAD' }, { method: 'GET', headers: { range: 'bytes=0-0' } }] as const) {
    const { status, body } = await ask(fetch.request(url, { ...request, signal }), label);
    body.destroy();
    // 416: it is there and has no bytes.
    if (status === 200 || status === 206 || status === 416) return true;
    // A bucket that may be read and not listed says 403 of what is not there.
    if (status === 404 || (status === 403 && request.method === 'GET')) return false;
    if (status >= 500 || status === 429) {
      throw new MillraceError('PUBLIC_GET_FAILED', `${label} could not be looked for through the public address (${status})`);
    }
  }
  return false;
}

async function ask(answer: Promise<GuardedResponse>, label: string): Promise<GuardedResponse> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof MillraceError && cause.code === 'CANCELLED') throw cause;
    const why = cause instanceof MillraceError ? cause.message : 'it did not answer';
    throw new MillraceError('PUBLIC_GET_FAILED', `${label} could not be read through the public address: ${why}`, { cause });
  }
}
