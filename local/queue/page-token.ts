/** NextToken: the last name of a page, wrapped so that nobody builds on it. */
import { invalidParameter } from './faults.ts';
import { MAX_QUEUES_PER_PAGE } from './limits.ts';

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken: string | undefined;
}

/** Without `maxResults` there is one page and no token, as on SQS. Throws InvalidParameterValue. */
export function pageSize(maxResults: number | undefined): number {
  if (maxResults === undefined) return MAX_QUEUES_PER_PAGE;
  if (maxResults >= 1 && maxResults <= MAX_QUEUES_PER_PAGE) return maxResults;
  throw invalidParameter('MaxResults', maxResults, `Must be between 1 and ${MAX_QUEUES_PER_PAGE}, if provided.`);
}

/** `found` in order of name, one more than fits where there is more. */
export function pageOf<T extends { readonly name: string }>(found: readonly T[], maxResults: number | undefined): Page<T> {
  const items = found.slice(0, pageSize(maxResults));
  const more = maxResults !== undefined && found.length > items.length;
  const last = items.at(-1);
  return { items, nextToken: more && last !== undefined ? Buffer.from(`after:${last.name}`).toString('base64url') : undefined };
}

/** Throws InvalidParameterValue. */
export function readPageToken(token: string | undefined): string {
  if (token === undefined) return '';
  const text = Buffer.from(token, 'base64url').toString();
  if (!text.startsWith('after:')) throw invalidParameter('NextToken', token, 'It is not one that this queue gave out.');
  return text.slice('after:'.length);
}
