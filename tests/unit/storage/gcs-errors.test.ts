import { describe, expect, test } from 'vitest';
import { credentialsError, GcsRefusal, gcsError } from '../../../storage/gcs-errors.ts';
import { generationOf, generationVersion } from '../../../storage/gcs-version.ts';

const request = { scheme: 'gs', bucket: 'videos', method: 'objects.get', key: 'a/b' } as const;
const json = (status: number, reason: string, message = '') =>
  new GcsRefusal(status, JSON.stringify({ error: { code: status, message, errors: [{ message, reason }] } }));
const xml = (status: number, code: string) =>
  new GcsRefusal(status, `<Error><Code>${code}</Code><Details>canary</Details></Error>`);
const withCode = (code: string) => Object.assign(new Error('Bearer ya29.canary'), { code });

describe('gcsError', () => {
  test.each([
    { thrown: json(401, 'required'), code: 'STORE_FORBIDDEN', reason: 'required' },
    { thrown: json(403, 'forbidden'), code: 'STORE_FORBIDDEN', reason: 'forbidden' },
    { thrown: xml(403, 'SignatureDoesNotMatch'), code: 'STORE_FORBIDDEN', reason: 'SignatureDoesNotMatch' },
    { thrown: json(404, 'notFound', 'The specified bucket does not exist.'), code: 'STORE_ERROR', reason: 'notFound' },
    { thrown: json(412, 'conditionNotMet'), code: 'SOURCE_CHANGED', reason: 'conditionNotMet' },
    { thrown: json(429, 'rateLimitExceeded'), code: 'STORE_UNREACHABLE', reason: 'rateLimitExceeded' },
    { thrown: new GcsRefusal(503, '<html>'), code: 'STORE_UNREACHABLE', reason: '503' },
    { thrown: json(501, 'notImplemented'), code: 'STORE_ERROR', reason: 'notImplemented' },
    { thrown: withCode('ECONNRESET'), code: 'STORE_UNREACHABLE', reason: 'ECONNRESET' },
    { thrown: withCode('ETIMEDOUT'), code: 'STORE_UNREACHABLE', reason: 'ETIMEDOUT' },
    { thrown: withCode('CERT_HAS_EXPIRED'), code: 'STORE_UNREACHABLE', reason: 'CERT_HAS_EXPIRED' },
  ])('$reason ($thrown.status) is $code', ({ thrown, code, reason }) => {
    const error = gcsError(thrown, request);
    expect(error).toMatchObject({ code, context: { bucket: 'videos', key: 'a/b', method: 'objects.get', reason } });
    expect(`${error.stack} ${String(error.cause)}`).not.toMatch(/canary/);
  });

  test('a missing bucket says what to do', () => {
    expect(gcsError(xml(404, 'NoSuchBucket'), request).fix).toContain('bucket');
  });

  test('whatever went wrong after a stop is the stop', () => {
    const signal = AbortSignal.abort();
    for (const thrown of [json(503, 'backendError'), withCode('ABORT_ERR'), withCode('ECONNRESET')]) {
      expect(gcsError(thrown, { ...request, signal }).code).toBe('CANCELLED');
    }
  });
});

describe('credentialsError', () => {
  test.each([
    { thrown: new Error('Could not load the default credentials. Bearer canary'), code: 'STORE_FORBIDDEN' },
    { thrown: withCode('ENOENT'), code: 'STORE_FORBIDDEN' },
    { thrown: Object.assign(new Error('invalid_grant canary'), { status: 400 }), code: 'STORE_FORBIDDEN' },
    { thrown: Object.assign(new Error('canary'), { status: 503 }), code: 'STORE_UNREACHABLE' },
    { thrown: withCode('ENOTFOUND'), code: 'STORE_UNREACHABLE' },
  ])('$thrown.code$thrown.status is $code', ({ thrown, code }) => {
    const error = credentialsError(thrown);
    expect(error).toMatchObject({ code, retryable: code === 'STORE_UNREACHABLE' });
    expect(`${error.stack} ${String(error.cause)} ${error.fix}`).not.toMatch(/canary/);
  });
});

test('a generation is told from every ETag that stores write', () => {
  expect(generationOf(generationVersion('1764100000000000'))).toBe('1764100000000000');
  for (const etag of ['900150983cd24fb0d6963f7d28e17f72', '900150983cd24fb0d6963f7d28e17f72-12', 'generation-', '', undefined]) {
    expect(generationOf(etag)).toBeUndefined();
  }
});
