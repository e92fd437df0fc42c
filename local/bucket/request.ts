/** An HTTP request, read as S3 reads it: which bucket, which key, which subresource. */
import type { IncomingMessage } from 'node:http';
import { MAX_KEY_BYTES } from './key-path.ts';
import { S3Error } from './s3-error.ts';

export type QueryPair = readonly [name: string, value: string];

export interface Target {
  /** As sent: neither decoded nor normalised, because the signature covers it and `..` may be part of a key. */
  readonly rawPath: string;
  readonly query: readonly QueryPair[];
  readonly bucket: string | undefined;
  readonly key: string | undefined;
}

/** Signed headers are compared value by value, so repeated ones are kept apart until then. */
export type HeaderLists = ReadonlyMap<string, readonly string[]>;

export interface S3Request extends Target {
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, string>;
  readonly sourceIpAddress: string;
  readonly message: IncomingMessage;
  /** Sends `100 Continue` where the client waits for it: only once the request is known to be allowed. */
  readonly wantBody: () => void;
}

const VIRTUAL_HOST = /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.localhost(?::\d+)?$/i;

export function parseTarget(url: string, host: string | undefined): Target {
  if (!url.startsWith('/')) throw new S3Error('InvalidURI');
  const questionMark = url.indexOf('?');
  const rawPath = questionMark === -1 ? url : url.slice(0, questionMark);
  const query = parseQuery(questionMark === -1 ? '' : url.slice(questionMark + 1));
  const virtualBucket = VIRTUAL_HOST.exec(host ?? '')?.[1]?.toLowerCase();
  const path = rawPath.slice(1);
  const slash = path.indexOf('/');
  const bucket = virtualBucket ?? decodeSegment(slash === -1 ? path : path.slice(0, slash));
  const rawKey = virtualBucket === undefined ? (slash === -1 ? '' : path.slice(slash + 1)) : path;
  const key = decodeSegment(rawKey);
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new S3Error('KeyTooLongError', undefined, {
      Size: String(Buffer.byteLength(key)),
      MaxSizeAllowed: String(MAX_KEY_BYTES),
    });
  }
  if (key.includes('\0')) throw new S3Error('InvalidURI');
  return { rawPath, query, bucket: bucket === '' ? undefined : bucket, key: key === '' ? undefined : key };
}

export function parseQuery(raw: string): QueryPair[] {
  return raw
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = equals === -1 ? pair : pair.slice(0, equals);
      const value = equals === -1 ? '' : pair.slice(equals + 1);
      return [decodeSegment(name.replaceAll('+', ' ')), decodeSegment(value.replaceAll('+', ' '))] as const;
    });
}

/** Percent-decoded as UTF-8. Throws InvalidURI where that is not what it is. */
export function decodeSegment(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw new S3Error('InvalidURI');
  }
}

export function headerLists(rawHeaders: readonly string[]): HeaderLists {
  const lists = new Map<string, string[]>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    const list = lists.get(name) ?? [];
    list.push(rawHeaders[index + 1] ?? '');
    lists.set(name, list);
  }
  return lists;
}
