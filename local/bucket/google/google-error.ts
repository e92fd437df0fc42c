/** What Google answers when it refuses: one refusal, and the two forms that its two APIs give it. */
import { errorResponse, type S3Response } from '../response.ts';
import { S3Error } from '../s3-error.ts';

const answers = {
  AccessDenied: [403, 'forbidden', 'Access denied.'],
  AuthenticationRequired: [401, 'required', 'Authentication required.'],
  ExpiredToken: [400, 'expired', 'Invalid argument.'],
  InvalidArgument: [400, 'invalid', 'Invalid argument.'],
  MalformedSecurityHeader: [400, 'invalid', 'Invalid argument.'],
  MethodNotAllowed: [405, 'methodNotAllowed', 'The method is not allowed here.'],
  NotFound: [404, 'notFound', 'Not Found'],
  NotImplemented: [501, 'notImplemented', 'A header or parameter asks for something that is not there.'],
  PreconditionFailed: [412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.'],
  SignatureDoesNotMatch: [403, 'forbidden', 'Access denied.'],
  UploadTooLarge: [413, 'uploadTooLarge', 'The upload is too large for one request.'],
} as const satisfies Record<string, readonly [status: number, reason: string, message: string]>;

export type GoogleErrorCode = keyof typeof answers;

export class GoogleError extends Error {
  override readonly name = 'GoogleError';
  readonly code: GoogleErrorCode;
  readonly details: string | undefined;

  constructor(code: GoogleErrorCode, details?: string) {
    super(answers[code][2]);
    this.code = code;
    this.details = details;
  }
}

/** `undefined` where it is no refusal but a defect. */
export function refusal(thrown: unknown, form: 'json' | 'xml', resource: string, requestId: string): S3Response | undefined {
  if (!(thrown instanceof GoogleError || thrown instanceof S3Error)) return undefined;
  if (form === 'json') return jsonRefusal(thrown);
  if (thrown instanceof S3Error) return errorResponse(thrown, resource, requestId);
  const [status] = answers[thrown.code];
  const details = thrown.details === undefined ? '' : `<Details>${escaped(thrown.details)}</Details>`;
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${thrown.code}</Code><Message>${thrown.message}</Message>${details}</Error>`;
  return { status, headers: { 'content-type': 'application/xml; charset=UTF-8' }, body };
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function jsonRefusal(thrown: GoogleError | S3Error): S3Response {
  const [status, reason, usual] = thrown instanceof S3Error ? asGoogle(thrown) : answers[thrown.code];
  const message = thrown instanceof GoogleError && thrown.details !== undefined ? thrown.details : usual;
  const error = { code: status, message, errors: [{ message, domain: 'global', reason }] };
  return { status, headers: { 'content-type': 'application/json; charset=UTF-8' }, body: JSON.stringify({ error }) };
}

function asGoogle({ code, status, message, details }: S3Error): readonly [number, string, string] {
  if (code === 'NoSuchBucket') return [404, 'notFound', 'The specified bucket does not exist.'];
  if (code === 'NoSuchKey') return [404, 'notFound', `No such object: ${details.Key ?? ''}`];
  if (code === 'PreconditionFailed') return answers.PreconditionFailed;
  if (code === 'InvalidRange') return [416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable'];
  return [status, 'invalid', message];
}
