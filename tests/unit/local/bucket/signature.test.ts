import { describe, expect, test } from 'vitest';
import { parseQuery } from '../../../../local/bucket/request.ts';
import { S3Error } from '../../../../local/bucket/s3-error.ts';
import { authenticate } from '../../../../local/bucket/signature.ts';
import { sha256Hex } from '../../../../local/sigv4.ts';

/** The worked examples of "Signature Calculations for the Authorization Header" and "… Using Query Parameters" in the S3 API reference. */
const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const EXAMPLE_TIME_MS = Date.parse('2013-05-24T00:00:00Z');
const EMPTY = sha256Hex('');

function example(method: string, pathAndQuery: string, signature: string, headers: Record<string, string>) {
  const [rawPath = '', query = ''] = pathAndQuery.split('?');
  const all: Record<string, string> = {
    host: 'examplebucket.s3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-content-sha256': EMPTY,
    ...headers,
  };
  const signed = Object.keys(all).sort().join(';');
  all.authorization = `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signed},Signature=${signature}`;
  return {
    method,
    rawPath,
    query: parseQuery(query),
    headers: new Map(Object.entries(all).map(([name, value]) => [name, [value]])),
  };
}

const getObject = example('GET', '/test.txt', 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41', {
  range: 'bytes=0-9',
});

const PRESIGNED =
  'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
  '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
  '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
const presigned = (query = PRESIGNED) => ({
  method: 'GET',
  rawPath: '/test.txt',
  query: parseQuery(query),
  headers: new Map([['host', ['examplebucket.s3.amazonaws.com']]]),
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof S3Error) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('the Authorization header', () => {
  test('accepts the documented examples', () => {
    const examples = [
      getObject,
      example('PUT', '/test%24file.text', '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd', {
        date: 'Fri, 24 May 2013 00:00:00 GMT',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-amz-content-sha256': sha256Hex('Welcome to Amazon S3.'),
      }),
      example('GET', '/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543', {}),
      example('GET', '/?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7', {}),
    ];
    for (const request of examples) expect(authenticate(request, credentials, EXAMPLE_TIME_MS).presigned).toBe(false);
  });

  test('covers method, path, query, and signed headers', () => {
    const changed = [
      { ...getObject, method: 'PUT' },
      { ...getObject, rawPath: '/test2.txt' },
      { ...getObject, query: parseQuery('acl') },
      { ...getObject, headers: new Map([...getObject.headers, ['range', ['bytes=0-10']]]) },
    ];
    for (const request of changed)
      expect(codeOf(() => authenticate(request, credentials, EXAMPLE_TIME_MS))).toMatch(/^SignatureDoesNotMatch/);
  });

  test('demands every signed header, and the signing of every amz header', () => {
    const withoutRange = new Map([...getObject.headers].filter(([name]) => name !== 'range'));
    expect(codeOf(() => authenticate({ ...getObject, headers: withoutRange }, credentials, EXAMPLE_TIME_MS))).toMatch(
      /^SignatureDoesNotMatch/,
    );
    const more = new Map([...getObject.headers, ['x-amz-meta-forged', ['1']]]);
    expect(codeOf(() => authenticate({ ...getObject, headers: more }, credentials, EXAMPLE_TIME_MS))).toMatch(
      /^AccessDenied: There were headers/,
    );
  });

  test('is refused a quarter of an hour before or after its time', () => {
    for (const minutes of [-16, 16]) {
      const nowMs = EXAMPLE_TIME_MS + minutes * 60_000;
      expect(codeOf(() => authenticate(getObject, credentials, nowMs))).toMatch(/^RequestTimeTooSkewed/);
    }
    expect(codeOf(() => authenticate(getObject, credentials, EXAMPLE_TIME_MS + 14 * 60_000))).toBe('accepted');
  });

  test('is refused with another secret, another access key, or none', () => {
    const wrongSecret = { ...credentials, secretAccessKey: 'wrong' };
    expect(codeOf(() => authenticate(getObject, wrongSecret, EXAMPLE_TIME_MS))).toMatch(/^SignatureDoesNotMatch/);
    const wrongKey = { ...credentials, accessKeyId: 'OTHER' };
    expect(codeOf(() => authenticate(getObject, wrongKey, EXAMPLE_TIME_MS))).toMatch(/^InvalidAccessKeyId/);
    const unsigned = new Map([...getObject.headers].filter(([name]) => name !== 'authorization'));
    expect(codeOf(() => authenticate({ ...getObject, headers: unsigned }, credentials, EXAMPLE_TIME_MS))).toMatch(
      /^AccessDenied/,
    );
  });
});

describe('a presigned URL', () => {
  test('accepts the documented example until it expires', () => {
    expect(authenticate(presigned(), credentials, EXAMPLE_TIME_MS).presigned).toBe(true);
    expect(codeOf(() => authenticate(presigned(), credentials, EXAMPLE_TIME_MS + 86_400_000))).toBe('accepted');
    expect(codeOf(() => authenticate(presigned(), credentials, EXAMPLE_TIME_MS + 86_400_001))).toBe(
      'AccessDenied: Request has expired',
    );
  });

  test('is not valid long before it was signed', () => {
    expect(codeOf(() => authenticate(presigned(), credentials, EXAMPLE_TIME_MS - 16 * 60_000))).toBe(
      'AccessDenied: Request is not yet valid',
    );
  });

  test('cannot be made to last longer, or than a week', () => {
    const longer = presigned(PRESIGNED.replace('Expires=86400', 'Expires=604800'));
    expect(codeOf(() => authenticate(longer, credentials, EXAMPLE_TIME_MS))).toMatch(/^SignatureDoesNotMatch/);
    const tooLong = presigned(PRESIGNED.replace('Expires=86400', 'Expires=604801'));
    expect(codeOf(() => authenticate(tooLong, credentials, EXAMPLE_TIME_MS))).toMatch(/^AuthorizationQueryParametersError/);
  });

  test('covers every further parameter', () => {
    const more = presigned(`${PRESIGNED}&response-content-type=text%2Fhtml`);
    expect(codeOf(() => authenticate(more, credentials, EXAMPLE_TIME_MS))).toMatch(/^SignatureDoesNotMatch/);
  });

  test('is refused where a parameter of the signature is missing or doubled', () => {
    const missing = presigned(PRESIGNED.replace('&X-Amz-Expires=86400', ''));
    expect(codeOf(() => authenticate(missing, credentials, EXAMPLE_TIME_MS))).toMatch(/^AuthorizationQueryParametersError/);
    const doubled = presigned(`${PRESIGNED}&X-Amz-Expires=1`);
    expect(codeOf(() => authenticate(doubled, credentials, EXAMPLE_TIME_MS))).toMatch(/^AuthorizationQueryParametersError/);
  });
});
