/** What SQS refuses, as this program's errors. Nothing of the request is carried over but its name and the queue's. */
import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import { asMillraceError, MillraceError } from '../../errors.ts';
import type { Outcomes } from './letter-queue.ts';

const FORBIDDEN =
  /AccessDenied|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|ExpiredToken|InvalidSecurity|MissingAuthenticationToken|CredentialsProviderError|KmsAccessDenied/;
const UNREACHABLE = /Timeout|Throttl|ServiceUnavailable|InternalError|InternalFailure|OverLimit/;

/** QUEUE_FORBIDDEN, QUEUE_UNREACHABLE, QUEUE_ERROR or INTERNAL. */
export function sqsError(thrown: unknown, action: string, queueUrl: string): MillraceError {
  if (thrown instanceof MillraceError || !(thrown instanceof Error)) return asMillraceError(thrown);
  const metadata = '$metadata' in thrown ? thrown.$metadata : undefined;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata ? metadata.httpStatusCode : undefined;
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
  const what = `${action} on ${queueUrl}`;
  const name = code ?? thrown.name;
  const options = { context: { action, queue: queueUrl, reason: name }, cause: new Error(name) };
  if (status === 401 || status === 403 || FORBIDDEN.test(thrown.name)) {
    const fix = 'Check the credentials, what they may do with this queue, the region, and the clock of this machine.';
    return new MillraceError('QUEUE_FORBIDDEN', `${what} was refused (${name})`, { ...options, fix });
  }
  const isServerFault = typeof status === 'number' && (status >= 500 || status === 429);
  if (
    isServerFault ||
    UNREACHABLE.test(thrown.name) ||
    (status === undefined && code !== undefined && !code.startsWith('ERR_'))
  ) {
    return new MillraceError('QUEUE_UNREACHABLE', `${what} got no usable answer (${name})`, options);
  }
  if (status === undefined) return asMillraceError(thrown);
  return new MillraceError('QUEUE_ERROR', `${what} failed (${name})`, options);
}

/** For the entries of a batch whose ids are their indexes. */
export function entryErrors(
  failed: readonly BatchResultErrorEntry[] | undefined,
  count: number,
  action: string,
  queueUrl: string,
): Outcomes {
  const errors = new Map(failed?.map((entry) => [Number(entry.Id), entryError(entry, action, queueUrl)]));
  return Array.from({ length: count }, (_, index) => errors.get(index));
}

function entryError(
  { Code: reason = 'unknown', SenderFault: isOurs }: BatchResultErrorEntry,
  action: string,
  queueUrl: string,
): MillraceError {
  const code = isOurs === true ? 'QUEUE_ERROR' : 'QUEUE_UNREACHABLE';
  return new MillraceError(code, `${action} on ${queueUrl} failed (${reason})`, { context: { action, queue: queueUrl, reason } });
}
