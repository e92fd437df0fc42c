/** From what was thrown to the answer that says so. */
import { asMillraceError, ERROR_CODES, type ErrorCode, isErrorCode, MillraceError, withoutSecrets } from '../errors.ts';
import type { FieldError } from '../manifests/field-errors.ts';
import type { Rejected } from '../manifests/parse.ts';
import type { ProblemDetails } from './documents/problem-details.ts';

/** A request that cannot be carried out. Carries the fields that are wrong, and headers of the answer. */
export class RequestError extends MillraceError {
  readonly errors: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { fix?: string; errors?: readonly FieldError[]; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    const { fix, cause } = options;
    super(code, message, { ...(fix === undefined ? {} : { fix }), ...(cause === undefined ? {} : { cause }) });
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}

/** A document or a request whose fields are wrong, as an error. `what`: `the body`. */
export function rejectedRequest({ code, errors }: Rejected, what: string): RequestError {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const message = first === undefined ? `${what} cannot be used` : `${what}: ${first.text}${more}`;
  return new RequestError(code, message, { errors, fix: 'Mend what errors names; GET /openapi.json has the schema.' });
}

const STATUSES: Partial<Readonly<Record<ErrorCode, number>>> = {
  REQUEST_INVALID: 400,
  UNAUTHENTICATED: 401,
  ORIGIN_REFUSED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  INPUT_AMBIGUOUS: 409,
  SOURCE_CHANGED: 409,
  REQUEST_TOO_LARGE: 413,
  MEDIA_TYPE_UNSUPPORTED: 415,
  RANGE_UNSATISFIABLE: 416,
  MANIFEST_NOT_JSON: 422,
  MANIFEST_INVALID: 422,
  MANIFEST_TOO_LARGE: 422,
  URI_INVALID: 422,
  URI_NOT_ALLOWED: 422,
  SOURCE_MISSING: 422,
  SOURCE_FORBIDDEN: 422,
  SOURCE_REFUSED: 422,
  NO_PRESIGN_METHOD_AVAILABLE: 422,
  TOO_LARGE: 422,
  RATE_LIMITED: 429,
  SOURCE_UNREACHABLE: 502,
  PUBLIC_GET_FAILED: 502,
  STORE_FORBIDDEN: 502,
  STORE_ERROR: 502,
  QUEUE_FORBIDDEN: 502,
  QUEUE_NOT_PULLABLE: 502,
  QUEUE_ERROR: 502,
  RUN_REFUSED: 502,
  RUN_UNAUTHORIZED: 502,
  CONFIG_INVALID: 503,
  STORE_UNREACHABLE: 503,
  QUEUE_UNREACHABLE: 503,
  QUEUE_BUSY: 503,
  QUEUE_PAUSED: 503,
  CANCELLED: 503,
  BUSY: 503,
};

/** What a failure of anything is for whoever asked; 500 for what has no status of its own: a defect. */
export const statusOf = ({ code }: MillraceError): number => STATUSES[code] ?? 500;

export function problemDetails(thrown: unknown, instance: string, requestId: string): ProblemDetails {
  const error = asMillraceError(thrown);
  const { code, message, retryable, fix } = error;
  const status = statusOf(error);
  const errors = error instanceof RequestError ? error.errors : [];
  return {
    type: `/errors/${code}`,
    title: ERROR_CODES[code].meaning,
    status,
    // The message of a defect can hold anything: it is in the log, under the request's id.
    detail: status === 500 ? 'This server failed to answer; its log says more.' : withoutSecrets(message),
    instance,
    code,
    retryable,
    ...(fix === undefined ? {} : { fix }),
    ...(errors.length === 0 ? {} : { errors: [...errors] }),
    request_id: requestId,
  };
}

/** `null` for a code that is none. */
export function meaningOf(code: string) {
  return isErrorCode(code) ? { code, ...ERROR_CODES[code] } : null;
}
