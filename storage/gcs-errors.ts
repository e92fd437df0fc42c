/** What Google answers and what goes wrong on the way there, as this program's errors. Nothing of the request is carried over. */
import { asMillraceError, MillraceError } from '../errors.ts';
import type { StoreRequest } from './s3-errors.ts';

/** An answer that says no. Never leaves this folder: `gcsError` makes an error of ours of it. */
export class GcsRefusal extends Error {
  override readonly name = 'GcsRefusal';
  readonly status: number;
  /** `conditionNotMet` (JSON), `NoSuchKey` (XML), or the status where the answer says nothing more. */
  readonly reason: string;
  /** A missing bucket is a mistake in the settings, a missing object is not. */
  readonly isBucketMissing: boolean;

  constructor(status: number, text: string) {
    const reason = reasonOf(text) ?? String(status);
    super(reason);
    this.status = status;
    this.reason = reason;
    this.isBucketMissing = status === 404 && (reason === 'NoSuchBucket' || /bucket does not exist/i.test(text));
  }
}

const MAX_REASON_CHARACTERS = 80;

/** The word that stands for the error: both APIs have one, beside sentences that may hold anything. */
function reasonOf(text: string): string | undefined {
  const word = /"reason":\s*"(\w+)"/.exec(text)?.[1] ?? /<Code>(\w+)<\/Code>/.exec(text)?.[1];
  return word?.slice(0, MAX_REASON_CHARACTERS);
}

/** True where no answer came, for a reason that the operating system or a timer named. */
export function isNetworkFailure(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' && !/^ERR_(?!TLS|SSL|STREAM_PREMATURE_CLOSE)/.test(code) && code !== 'ABORT_ERR';
}

/**
 * Asking again, later, can help. The others mean what they say. 401 is not among them: Google's library renews its tokens before
 * they end.
 */
export function isTransientStatus(status: number): boolean {
  // 501 says that the server does not know the request.
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501);
}

const CREDENTIALS_FIX =
  'Set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account that may read and write the bucket, or run where Google ' +
  'gives the program an identity.';
const FORBIDDEN_FIX = 'Check the credentials, what they may do in this bucket, and the clock of this machine.';

/** The same codes that the S3 store throws: STORE_UNREACHABLE, STORE_FORBIDDEN, SOURCE_CHANGED, STORE_ERROR, CANCELLED or INTERNAL. */
export function gcsError(thrown: unknown, request: StoreRequest): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const what = `${request.method} of ${request.scheme}://${request.bucket}/${request.key}`;
  const context = { method: request.method, bucket: request.bucket, key: request.key };
  if (thrown instanceof GcsRefusal) return refusal(thrown, what, context, request.signal);
  const reason = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'Error';
  const options = { context: { ...context, reason }, cause: new Error(reason) };
  if (request.signal?.aborted === true) return new MillraceError('CANCELLED', `${what} was stopped`, options);
  if (!isNetworkFailure(thrown)) return asMillraceError(thrown);
  return new MillraceError('STORE_UNREACHABLE', `${what} got no usable answer (${reason})`, options);
}

function refusal(
  { status, reason, isBucketMissing }: GcsRefusal,
  what: string,
  where: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): MillraceError {
  const options = { context: { ...where, status, reason }, cause: new Error(reason) };
  const shown = reason === String(status) ? reason : `${status} ${reason}`;
  if (signal?.aborted === true) return new MillraceError('CANCELLED', `${what} was stopped`, options);
  if (status === 401 || status === 403) {
    return new MillraceError('STORE_FORBIDDEN', `${what} was refused (${shown})`, { ...options, fix: FORBIDDEN_FIX });
  }
  if (isTransientStatus(status))
    return new MillraceError('STORE_UNREACHABLE', `${what} got no usable answer (${shown})`, options);
  if (status === 412) return new MillraceError('SOURCE_CHANGED', `${what} found another version`, options);
  const fix = isBucketMissing ? { fix: 'Create the bucket, or correct its name.' } : {};
  return new MillraceError('STORE_ERROR', `${what} failed (${shown})`, { ...options, ...fix });
}

/**
 * What Google's library throws where it finds no credentials, or cannot trade them for a token. Its errors hold requests with
 * signed assertions in them, so only the kind of the failure is kept.
 */
export function credentialsError(thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const status = statusOf(thrown);
  if (status === undefined && isNetworkFailure(thrown) && !isFileFailure(thrown)) {
    return new MillraceError('STORE_UNREACHABLE', "Google's credentials could not be renewed: no answer");
  }
  if (status !== undefined && isTransientStatus(status)) {
    return new MillraceError('STORE_UNREACHABLE', `Google's credentials could not be renewed (${status})`, {
      context: { status },
    });
  }
  const found = status === undefined ? 'there are none that can be used' : `they were refused (${status})`;
  return new MillraceError('STORE_FORBIDDEN', `no request to Google can be signed in: ${found}`, {
    ...(status === undefined ? {} : { context: { status } }),
    fix: CREDENTIALS_FIX,
  });
}

/** The key file is not there, or may not be read. */
function isFileFailure(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && /^(ENOENT|EACCES|EPERM|EISDIR|ENOTDIR)$/.test(String(thrown.code));
}

function statusOf(thrown: unknown): number | undefined {
  const status = thrown instanceof Error && 'status' in thrown ? thrown.status : undefined;
  return typeof status === 'number' ? status : undefined;
}
