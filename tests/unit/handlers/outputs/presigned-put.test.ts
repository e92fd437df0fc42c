import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { MAX_PUT_BYTES, putPresigned } from '../../../../handlers/outputs/presigned-put.ts';
import type { GuardedFetch } from '../../../../storage/guarded-fetch.ts';

const URL_TO_WRITE = 'https://store.example/o.bin?X-Amz-Signature=abc';

/** A PUT of so many bytes, none of which is ever read; answers the lengths that were announced. */
async function announced(sizeBytes: number): Promise<(string | undefined)[]> {
  const lengths: (string | undefined)[] = [];
  const fetch: GuardedFetch = {
    async request(url, { headers = {} } = {}) {
      lengths.push(headers['content-length']);
      return { status: 200, headers: {}, body: Readable.from([]), url };
    },
    close: () => undefined,
  };
  const body = { sizeBytes, contentType: 'video/mp4', open: () => Readable.from([]) };
  await putPresigned(URL_TO_WRITE, {}, body, { fetch, signal: new AbortController().signal });
  return lengths;
}

it('sends as much as one PUT may carry, and says beforehand how much that is', async () => {
  expect(await announced(MAX_PUT_BYTES)).toEqual(['5368709120']);
});

it('refuses more than that before anything is sent, and says what to do', async () => {
  await expect(announced(MAX_PUT_BYTES + 1)).rejects.toMatchObject({
    code: 'TOO_LARGE',
    fix: expect.stringContaining('credentials'),
  });
});
