/** For all that reads and writes the bucket itself. */
import type { ApiParts } from './parts.ts';
import { RequestError } from './problem.ts';

/** Throws CONFIG_INVALID (503) where there are none. */
export function requireCredentials({ hasCredentials, planner: { store } }: Pick<ApiParts, 'hasCredentials' | 'planner'>): void {
  if (hasCredentials) return;
  const message = `this server has no credentials for ${store.scheme}://${store.bucket}: it only knows the status of segments`;
  throw new RequestError('CONFIG_INVALID', message, { fix: 'Give it HMAC_KEY and HMAC_SECRET, or a role.' });
}
