/** An input on the web: a plain or presigned URL, always through the guard. */
import { Readable } from 'node:stream';
import { MillraceError } from '../../errors.ts';
import { generationOf, generationVersion } from '../../storage/gcs-version.ts';
import type { GuardedFetch, GuardedResponse } from '../../storage/guarded-fetch.ts';
import { withoutQuery } from '../../storage/uri.ts';
import { answerText, isExpired, REFUSAL_STATUSES } from '../presigned-url.ts';
import type { ByteRange, InputSource, OpenOptions, SourceBody } from './source.ts';

export interface HttpSourceOptions {
  readonly url: string;
  readonly fetch: GuardedFetch;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export function createHttpSource({ url, fetch, now = Date.now }: HttpSourceOptions): InputSource {
  const label = withoutQuery(url);
  async function open(range: ByteRange | undefined, { ifMatch, signal }: OpenOptions): Promise<SourceBody> {
    const response = await fetch.request(url, { headers: requestHeaders(range, ifMatch), signal });
    if (response.status === 206 && range?.start === 0 && UNKNOWN_TOTAL.test(response.headers['content-range'] ?? '')) {
      // A part of nobody knows what: taken for the whole it would be a file cut short.
      response.body.destroy();
      return open(undefined, { ifMatch, signal });
    }
    if (response.status === 200 || response.status === 206) {
      return versioned(bodyOf(response, range, label), response, ifMatch, label);
    }
    const text = await answerText(response.body);
    if (response.status === 416) {
      const outside = outsideOf(response, range, label);
      // Google names no generation there; a request for the whole, which is nothing, does.
      return generationOf(ifMatch) === undefined ? outside : open(undefined, { ifMatch, signal });
    }
    throw refusal(response.status, label, isExpired(url, text, now()));
  }
  return { label, fileName: fileNameOf(url), open };
}

function requestHeaders(range: ByteRange | undefined, ifMatch: string | undefined): Record<string, string> {
  return {
    // Byte ranges are counted in the bytes as stored.
    'accept-encoding': 'identity',
    ...(range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` }),
    // A generation is compared with the answer's: the URL was signed without a header that could ask for it.
    ...(ifMatch === undefined || generationOf(ifMatch) !== undefined ? {} : { 'if-match': `"${ifMatch}"` }),
  };
}

/** Where the run was planned with a generation, the generation is what stands for the version, whatever the ETag is. */
function versioned(answer: SourceBody, { headers }: GuardedResponse, planned: string | undefined, label: string): SourceBody {
  if (generationOf(planned) === undefined) return answer;
  const generation = headers['x-goog-generation'];
  if (typeof generation === 'string') return { ...answer, etag: generationVersion(generation), etagIsWeak: false };
  answer.body.destroy();
  throw new MillraceError('SOURCE_UNREACHABLE', `${label} does not say its generation, which the run was planned with.`, {
    retryable: false,
    fix: 'Let the worker read the object from Google itself, with nothing in between that drops x-goog-generation.',
  });
}

const UNKNOWN_TOTAL = /^bytes \d+-\d+\/\*$/;

/** Unpacking is not for us: ranges count packed bytes, and a small body may unpack to one without an end. */
const COMPRESSED = /\b(x-)?(gzip|deflate|br|zstd|compress)\b/i;

function bodyOf(response: GuardedResponse, range: ByteRange | undefined, label: string): SourceBody {
  const { headers, body } = response;
  if (COMPRESSED.test(headers['content-encoding'] ?? '')) {
    body.destroy();
    throw new MillraceError('INPUT_INVALID', `${label} is sent compressed, although it was asked for as it is.`, {
      fix: 'Store the object without Content-Encoding.',
    });
  }
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  const ranged = response.status === 206;
  if (ranged && (range === undefined || Number(first) !== range.start)) {
    body.destroy();
    throw new MillraceError('SOURCE_UNREACHABLE', `${label} answered with a range that was not asked for.`, { retryable: false });
  }
  const length = ranged ? total : headers['content-length'];
  return { ranged: ranged && total !== '*', totalBytes: wholeNumber(length), ...described(headers), body };
}

/** 416 for the very first byte is how servers say that the input is empty. */
function outsideOf(response: GuardedResponse, range: ByteRange | undefined, label: string): SourceBody {
  const total = wholeNumber(/^bytes \*\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1]);
  if (range?.start === 0 && (total === 0 || total === undefined)) {
    return { ranged: true, totalBytes: 0, ...described(response.headers), body: Readable.from([]) };
  }
  if (range?.start === 0) {
    throw new MillraceError('SOURCE_UNREACHABLE', `${label} refuses a range that it has.`, { retryable: false });
  }
  throw new MillraceError('SOURCE_CHANGED', `${label} became shorter while it was read.`);
}

function described(headers: GuardedResponse['headers']): Pick<SourceBody, 'etag' | 'etagIsWeak' | 'contentType'> {
  const [, weak, etag] = /^(W\/)?"(.*)"$/.exec(headers.etag ?? '') ?? [];
  return { etag, etagIsWeak: weak !== undefined, contentType: headers['content-type'] };
}

function refusal(status: number, label: string, expired: boolean): MillraceError {
  const context = { status };
  if (expired && REFUSAL_STATUSES.has(status)) {
    return new MillraceError('PRESIGNED_URL_EXPIRED', `The presigned URL of ${label} has run out.`, { context });
  }
  const message = `${label} answered with status ${status}.`;
  if (status === 404 || status === 410) return new MillraceError('SOURCE_MISSING', message, { context });
  if (status === 401 || status === 403) return new MillraceError('SOURCE_FORBIDDEN', message, { context });
  if (status === 412) return new MillraceError('SOURCE_CHANGED', `${label} is not the version that was planned.`, { context });
  const transient = status === 408 || status === 429 || status >= 500;
  return new MillraceError('SOURCE_UNREACHABLE', message, { context, retryable: transient });
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

export function fileNameOf(url: string): string {
  const path = URL.parse(url)?.pathname ?? '';
  return path.slice(path.lastIndexOf('/') + 1);
}
