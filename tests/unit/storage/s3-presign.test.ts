import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { createPresigner } from '../../../storage/s3-presign.ts';
import { keyFault } from '../../../storage/uri.ts';

const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;

/** Sessions that end when told, one after the other; the last one stays. */
function presigner(...expirations: readonly (number | undefined)[]) {
  let session = 0;
  const client = new S3Client({
    region: 'us-east-1',
    endpoint: 'https://store.example',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    credentials: async () => {
      const expiresAtMs = expirations[Math.min(session, expirations.length - 1)];
      session += 1;
      const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };
      return expiresAtMs === undefined ? keys : { ...keys, sessionToken: 'token', expiration: new Date(expiresAtMs) };
    },
  });
  const clock = { nowMs: NOW_MS };
  return { clock, sessions: () => session, presign: createPresigner({ client, bucket: 'videos', now: () => clock.nowMs }) };
}

describe('a presigned PUT', () => {
  test('signs the mark as a header to be sent, and leaves it out of the query', async () => {
    const { url, headers } = await presigner(undefined).presign.put('pipelines/a b/ü+.wav', 60, { fingerprint: 'f00d' });
    const { pathname, searchParams } = new URL(url);
    expect(headers).toEqual({ 'x-amz-meta-fingerprint': 'f00d' });
    expect(searchParams.get('X-Amz-SignedHeaders')).toBe('host;x-amz-meta-fingerprint');
    expect([...searchParams.keys()].filter((name) => /meta/i.test(name))).toEqual([]);
    expect(searchParams.get('X-Amz-Expires')).toBe('60');
    expect(pathname).toBe('/videos/pipelines/a%20b/%C3%BC%2B.wav');
  });

  test('carries no checksum: it would be that of an empty body', async () => {
    const { url } = await presigner(undefined).presign.put('k', 60, {});
    expect([...new URL(url).searchParams.keys()].filter((name) => /checksum|content-md5/i.test(name))).toEqual([]);
    expect(new URL(url).searchParams.get('X-Amz-Content-Sha256')).toBe('UNSIGNED-PAYLOAD');
  });
});

describe('is what the SDK makes of the whole command', () => {
  const keys = fc
    .array(fc.stringMatching(/^[A-Za-z0-9 !'()*~+:@&=,$;?#%ü€._-]{1,12}$/), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('/'))
    .filter((key) => keyFault(key) === undefined);

  test.each([
    ['on AWS', { region: 'eu-central-1' }, undefined],
    ['in a session', { region: 'us-east-1' }, 'token/+='],
    ['with the bucket in the path', { region: 'auto', endpoint: 'http://127.0.0.1:9000', forcePathStyle: true }, undefined],
    ['with the bucket in the host name', { region: 'auto', endpoint: 'https://account.r2.example:8443' }, undefined],
    ['behind a path', { region: 'auto', endpoint: 'https://store.example/s3/', forcePathStyle: true }, undefined],
  ])('%s', async (_, options, sessionToken) => {
    const keyPair = { accessKeyId: 'id', secretAccessKey: 'secret' };
    const credentials = { ...keyPair, ...(sessionToken === undefined ? {} : { sessionToken }) };
    const client = new S3Client({ ...options, credentials, requestChecksumCalculation: 'WHEN_REQUIRED' });
    const ours = createPresigner({ client, bucket: 'videos', now: Date.now });
    vi.useFakeTimers({ now: NOW_MS, toFake: ['Date'] });
    try {
      await fc.assert(
        fc.asyncProperty(keys, fc.integer({ min: 1, max: 604_800 }), async (key, expiresIn) => {
          const object = { Bucket: 'videos', Key: key };
          expect(await ours.get(key, expiresIn)).toBe(await getSignedUrl(client, new GetObjectCommand(object), { expiresIn }));
          const command = new PutObjectCommand({ ...object, Metadata: { fingerprint: 'f00d' } });
          const unhoistableHeaders = new Set(['x-amz-meta-fingerprint']);
          const { url } = await ours.put(key, expiresIn, { fingerprint: 'f00d' });
          expect(url).toBe(await getSignedUrl(client, command, { expiresIn, unhoistableHeaders }));
        }),
        { numRuns: 30 },
      );
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('what cannot be presigned', () => {
  test.each([0, -1, 1.5, Number.NaN, 7 * 24 * 3600 + 1])('a validity of %d seconds', async (seconds) => {
    await expect(presigner(undefined).presign.get('k', seconds)).rejects.toMatchObject({ code: 'PRESIGN_IMPOSSIBLE' });
  });

  test('seven days are possible', async () => {
    expect(await presigner(undefined).presign.get('k', 7 * 24 * 3600)).toContain('X-Amz-Expires=604800');
  });

  test('a key that URL parsers would change', async () => {
    await expect(presigner(undefined).presign.get('pipelines/a/../b', 60)).rejects.toMatchObject({ code: 'URI_INVALID' });
  });

  test('a URL that outlives the session that signs it', async () => {
    const { presign } = presigner(NOW_MS + HOUR_MS);
    expect(await presign.get('k', 3000)).toContain('X-Amz-Security-Token=token');
    await expect(presign.get('k', 3601)).rejects.toMatchObject({
      code: 'PRESIGN_IMPOSSIBLE',
      context: { leftSeconds: 3600, expiresInSeconds: 3601 },
      fix: expect.stringContaining('ttl_sec'),
    });
  });

  test('a session too short is renewed once before giving up, and not again for a minute', async () => {
    const renewed = presigner(NOW_MS + HOUR_MS, NOW_MS + 12 * HOUR_MS);
    expect(await renewed.presign.get('k', 7200)).toContain('X-Amz-Expires=7200');

    const hopeless = presigner(NOW_MS + HOUR_MS);
    for (let i = 0; i < 5; i++)
      await expect(hopeless.presign.get('k', 7200)).rejects.toMatchObject({ code: 'PRESIGN_IMPOSSIBLE' });
    expect(hopeless.sessions()).toBe(2);
    hopeless.clock.nowMs += 60_000;
    await expect(hopeless.presign.get('k', 7200)).rejects.toMatchObject({ code: 'PRESIGN_IMPOSSIBLE' });
    expect(hopeless.sessions()).toBe(3);
  });
});
