import { describe, expect, it } from 'vitest';
import { createSearcher, secretsOfAuthorization, secretsOfUrl } from '../../integration/secrets/records.ts';

const SIGNATURE = '5d41402abc4b2a76b9719d911017c592'.repeat(2);
const TOKEN = 'rpa_0123456789ABCDEF/+x';

const line = (text: string) => ({ source: 'a.test.ts', kind: 'log', about: 'a test', text });

describe('the search for secrets', () => {
  const { search } = createSearcher(new Set([SIGNATURE, TOKEN]));

  it.each([
    ['a signature that was used', `GET /x?X=${SIGNATURE}&y`],
    ['a signature that was used', `in capitals of URLs %3D${SIGNATURE}`],
    ['a signature that was used', `behind other hex 3d${SIGNATURE}`],
    ['a signature that was used', `cut short: ${SIGNATURE.slice(0, 20)}`],
    ['a key or token that was used', `"key":"${TOKEN}"`],
    ['the signature of a presigned URL', 'https://b.example/k?X-Amz-Signature=aaaabbbbcccc'],
    ['the signature of a presigned URL', 'https://b.example/k?x-goog-signature=aaaabbbbcccc&x=1'],
    ['an Authorization header', '{"authorization":"Bearer abcdefghijkl"}'],
    ['a bearer token', 'curl -H "X: Bearer abcdefghijklmnop"'],
  ])('finds %s', (what, text) => {
    const [finding] = search(line(text));
    expect(finding).toMatchObject({ source: 'a.test.ts', kind: 'log', about: 'a test', what });
    expect(finding?.line).toContain('‹secret›');
    expect(finding?.line).not.toMatch(/5d41402abc4b2a76|0123456789ABCDEF|aaaabbbbcccc|abcdefghijkl/);
  });

  it.each([
    'https://b.example/k?…',
    'X-Amz-Signature=…',
    'authorization: <removed>',
    'Bearer tokens are taken',
    `etag ${'0123456789abcdef'.repeat(4)}`,
  ])('passes %s', (text) => {
    expect(search(line(text))).toEqual([]);
  });
});

describe('the secrets of a request', () => {
  it('are the signature and the token in its URL, as they stand and as they read', () => {
    expect(secretsOfUrl(`/k?X-Amz-Date=1&X-Amz-Signature=${SIGNATURE}&X-Amz-Security-Token=a%2Fb`)).toEqual([
      SIGNATURE,
      'a%2Fb',
      'a/b',
    ]);
    expect(secretsOfUrl('/k?list-type=2&prefix=a')).toEqual([]);
    expect(secretsOfUrl('/k')).toEqual([]);
    expect(secretsOfUrl('/k?token=%zz')).toEqual(['%zz']);
  });

  it('are the signature of its header, or what stands there instead', () => {
    expect(secretsOfAuthorization(`AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=${SIGNATURE}`)).toEqual([
      SIGNATURE,
    ]);
    expect(secretsOfAuthorization(`Bearer ${TOKEN}`)).toEqual([TOKEN]);
    expect(secretsOfAuthorization(TOKEN)).toEqual([TOKEN]);
    expect(secretsOfAuthorization(undefined)).toEqual([]);
  });
});
