/** What the AWS SDK throws, as this program's errors. Nothing of the request (URL, headers, credentials) is carried over. */
import { asMillraceError, MillraceError } from '../errors.ts';

export interface StoreRequest {
  readonly scheme: 's3' | 'gs';
  readonly bucket: string;
  /** The S3 operation: `GetObject`. */
  readonly method: string;
  /** The key, or the prefix of a listing. */
  readonly key: string;
  readonly signal?: AbortSignal | undefined;
}

/** The facts that the SDK's many error shapes have in common. */
export interface StoreFailure {
  /** `NoSuchKey`, `SlowDown`, `ECONNREFUSED`, … */
  readonly name: string;
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** True where no answer came for a reason that the operating system or a timer named, false for a defect of ours. */
  readonly isNetwork: boolean;
  /** How often the SDK itself sent the request. */
  readonly attempts: number;
}

export function storeFailure(thrown: unknown): StoreFailure {
  const error = fields(thrown);
  const metadata = fields(error.$metadata);
  const response = fields(error.$response);
  const status = numberOf(metadata.httpStatusCode) ?? numberOf(response.statusCode);
  const attempts = numberOf(metadata.attempts) ?? 1;
  const names = [error.Code, error.name, error.code].filter((name) => typeof name === 'string');
  // An error without a name of its own (`Error`, `UnknownError`) says more with its system code.
  const name = names.find((candidate) => !VAGUE_NAMES.has(candidate)) ?? names[0] ?? 'Error';
  const isNetwork = status === undefined && (isSystemCode(error.code) || error.name === 'TimeoutError');
  return { name: name.slice(0, MAX_NAME_CHARACTERS), status, isNetwork, attempts };
}

/** `ECONNRESET`, `HPE_INVALID_CONSTANT`, `CERT_HAS_EXPIRED`, … but not `ERR_INVALID_ARG_TYPE`. */
function isSystemCode(code: unknown): boolean {
  return typeof code === 'string' && !/^ERR_(?!TLS|SSL|STREAM_PREMATURE_CLOSE)/.test(code);
}

const VAGUE_NAMES: ReadonlySet<string> = new Set(['Error', 'AggregateError', 'UnknownError', 'Unknown', 'TimeoutError']);
const MAX_NAME_CHARACTERS = 80;

/**
 * STORE_UNREACHABLE, STORE_FORBIDDEN, SOURCE_CHANGED, STORE_ERROR, CANCELLED where the request's signal was aborted, or INTERNAL.
 * The context holds method, bucket, key and, where there was an answer, its status and error name.
 */
export function storeError(thrown: unknown, request: StoreRequest): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const { name, status, isNetwork } = storeFailure(thrown);
  const context = {
    method: request.method,
    bucket: request.bucket,
    key: request.key,
    ...(status === undefined ? {} : { status }),
    reason: name,
  };
  const what = `${request.method} of ${request.scheme}://${request.bucket}/${request.key}`;
  const options = { context, cause: new Error(name) };
  if (request.signal?.aborted === true) return new MillraceError('CANCELLED', `${what} was stopped`, options);
  if (FORBIDDEN_NAMES.has(name) || status === 401 || status === 403) {
    const fix = 'Check the credentials, what they may do in this bucket, and the clock of this machine.';
    return new MillraceError('STORE_FORBIDDEN', `${what} was refused (${reason(name, status)})`, { ...options, fix });
  }
  if (isNetwork || isUnreachable(name, status)) {
    return new MillraceError('STORE_UNREACHABLE', `${what} got no usable answer (${reason(name, status)})`, options);
  }
  if (status === undefined) return asMillraceError(thrown);
  if (status === 412) return new MillraceError('SOURCE_CHANGED', `${what} found another version`, options);
  const fix = fixFor(name, status);
  const message = `${what} failed (${reason(name, status)})`;
  return new MillraceError('STORE_ERROR', message, fix === undefined ? options : { ...options, fix });
}

/** Some of these come with status 400. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'InvalidToken',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
]);

/** S3 says `RequestTimeout` with 400 when the body came too slowly. */
const UNREACHABLE_NAMES: ReadonlySet<string> = new Set(['RequestTimeout', 'SlowDown', 'ServiceUnavailable', 'OperationAborted']);

function isUnreachable(name: string, status = 0): boolean {
  if (UNREACHABLE_NAMES.has(name)) return true;
  // 501 says that the store does not know the request; asking again cannot help.
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501);
}

function fixFor(name: string, status: number | undefined): string | undefined {
  if (name === 'NoSuchBucket') return 'Create the bucket, or correct its name.';
  if (status === 301 || status === 307) return "Set the region and the endpoint to the bucket's own.";
  return undefined;
}

function reason(name: string, status: number | undefined): string {
  return status === undefined ? name : `${status} ${name}`;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value, ...ownError(value) } : {};
}

/** `name` and `code` may be inherited, or not enumerable. */
function ownError(value: object): Record<string, unknown> {
  if (!(value instanceof Error)) return {};
  const code = 'code' in value ? { code: value.code } : {};
  const response = '$response' in value ? { $response: value.$response } : {};
  return { name: value.name, ...code, ...response };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
