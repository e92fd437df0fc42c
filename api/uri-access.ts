/** Which objects a request may name: an operator asks, for the buckets that the settings name. */
import { formatUri, type ObjectUri } from '../storage/uri.ts';
import type { ApiParts } from './parts.ts';
import { RequestError } from './problem.ts';

/** The bucket of the jobs itself, or what MILLRACE_ALLOWED_URI_PREFIXES names. */
export function isNamedBucket(parts: ApiParts, uri: ObjectUri): boolean {
  const { store } = parts.planner;
  return (uri.scheme === store.scheme && uri.bucket === store.bucket) || isAllowedPrefix(parts, uri);
}

/** What manifests may name too. */
export function isAllowedPrefix({ planner: { settings } }: ApiParts, uri: ObjectUri): boolean {
  const text = formatUri(uri);
  return settings.allowedUriPrefixes.some((prefix) => text.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`));
}

export function notAllowed(field: string, label: string): RequestError {
  return new RequestError('URI_NOT_ALLOWED', `${field}: ${label} is in no bucket that this server may read for a request`, {
    fix: 'Name it in MILLRACE_ALLOWED_URI_PREFIXES, or its public address in VIDEOS_PUBLIC_BASE_URL, or send an https:// URL.',
  });
}
