/** Conditional requests: If-Match and its kin, for reads, for writes, and for the source of a copy. */
import { S3Error } from './s3-error.ts';

export interface ConditionTarget {
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedMs: number;
}

export type Headers = ReadonlyMap<string, string>;

/** Throws PreconditionFailed or NotModified. With an ETag condition its weaker cousin by date is not looked at (RFC 9110, 13.2.2). */
export function checkReadConditions(headers: Headers, object: ConditionTarget): void {
  const ifMatch = headers.get('if-match');
  const unmodifiedSince = parseDate(headers.get('if-unmodified-since'));
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, object.etag)) throw failed('If-Match');
  } else if (unmodifiedSince !== undefined && seconds(object.modifiedMs) > unmodifiedSince) {
    throw failed('If-Unmodified-Since');
  }
  const ifNoneMatch = headers.get('if-none-match');
  const modifiedSince = parseDate(headers.get('if-modified-since'));
  if (ifNoneMatch !== undefined) {
    if (matchesAny(ifNoneMatch, object.etag)) throw new S3Error('NotModified');
  } else if (modifiedSince !== undefined && seconds(object.modifiedMs) <= modifiedSince) {
    throw new S3Error('NotModified');
  }
}

/** The same four, for the source of a copy, where each failure is a 412. */
export function checkCopySourceConditions(headers: Headers, source: ConditionTarget): void {
  const renamed = new Map<string, string>();
  for (const name of ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']) {
    const value = headers.get(`x-amz-copy-source-${name}`);
    if (value !== undefined) renamed.set(name, value);
  }
  try {
    checkReadConditions(renamed, source);
  } catch (error) {
    if (error instanceof S3Error) throw failed('x-amz-copy-source-If-*');
    throw error;
  }
}

/** Refuses what no write condition can mean, before a body is read. */
export function assertWriteConditions(headers: Headers): void {
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    throw new S3Error('NotImplemented', undefined, { Header: 'If-None-Match' });
  }
  if (ifNoneMatch !== undefined && headers.get('if-match') !== undefined) {
    throw new S3Error('NotImplemented', undefined, { Header: 'If-Match' });
  }
}

/** Must run in the same transaction as the write that it guards: that is what leaves one winner among racers. */
export function checkWriteConditions(headers: Headers, current: ConditionTarget | undefined): void {
  assertWriteConditions(headers);
  if (headers.get('if-none-match') !== undefined && current !== undefined) throw failed('If-None-Match');
  const ifMatch = headers.get('if-match');
  if (ifMatch === undefined) return;
  if (current === undefined) throw new S3Error('NoSuchKey');
  if (!matchesAny(ifMatch, current.etag)) throw failed('If-Match');
}

function matchesAny(header: string, etag: string): boolean {
  return header.split(',').some((candidate) => {
    const bare = candidate
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1');
    return bare === '*' || bare === etag;
  });
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { Condition: condition });
}

/** HTTP dates have no fractions. */
const seconds = (ms: number): number => Math.floor(ms / 1000);

function parseDate(header: string | undefined): number | undefined {
  const ms = header === undefined ? Number.NaN : Date.parse(header);
  return Number.isNaN(ms) ? undefined : seconds(ms);
}
