import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { refusal } from './answers.ts';
import { BUCKET, type Suite } from './peer.ts';

const OTHER_ETAG = '"00000000000000000000000000000000"';
const RACERS = 20;

export function conditionChecks({ s3, check }: Suite): void {
  const put = (Key: string, Body: string, more = {}) => s3().send(new PutObjectCommand({ Bucket: BUCKET, Key, Body, ...more }));
  const get = (Key: string, more = {}) => s3().send(new GetObjectCommand({ Bucket: BUCKET, Key, ...more }));

  check('create-race', `of ${RACERS} racers that create one key exactly one wins, and its body stays`, async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: RACERS }, (_, racer) => put('create-race', `racer ${racer}`, { IfNoneMatch: '*' })),
    );
    const winners = outcomes.flatMap((outcome, racer) => (outcome.status === 'fulfilled' ? [racer] : []));
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(await refusal(Promise.reject(outcome.reason))).toMatchObject({ code: 'PreconditionFailed' });
    }
    expect(await (await get('create-race')).Body?.transformToString()).toBe(`racer ${winners[0]}`);
  });

  check('create-existing', 'If-None-Match: * on a key that is there is a 412 and changes nothing', async () => {
    await put('create-existing', 'first');
    expect(await refusal(put('create-existing', 'second', { IfNoneMatch: '*' }))).toEqual({
      status: 412,
      code: 'PreconditionFailed',
    });
    expect(await (await get('create-existing')).Body?.transformToString()).toBe('first');
  });

  check('create-deleted', 'a key that was deleted can be created again', async () => {
    await put('create-deleted', 'x', { IfNoneMatch: '*' });
    await s3().send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'create-deleted' }));
    await expect(put('create-deleted', 'y', { IfNoneMatch: '*' })).resolves.toBeDefined();
  });

  check('put-if-match', 'a PUT with If-Match replaces only that version', async () => {
    const { ETag } = await put('put-if-match', 'one');
    await put('put-if-match', 'two', { IfMatch: ETag });
    expect(await refusal(put('put-if-match', 'three', { IfMatch: ETag }))).toEqual({ status: 412, code: 'PreconditionFailed' });
    expect(await (await get('put-if-match')).Body?.transformToString()).toBe('two');
  });

  check('put-if-match-missing', 'a PUT with If-Match where nothing is there is NoSuchKey', async () => {
    expect(await refusal(put('put-if-match-missing', 'x', { IfMatch: OTHER_ETAG }))).toEqual({ status: 404, code: 'NoSuchKey' });
  });

  check('get-if-match', 'a GET with If-Match of another version is a 412', async () => {
    const { ETag } = await put('get-if-match', 'x');
    await (await get('get-if-match', { IfMatch: ETag })).Body?.transformToString();
    expect(await refusal(get('get-if-match', { IfMatch: OTHER_ETAG }))).toEqual({ status: 412, code: 'PreconditionFailed' });
  });

  check('get-if-none-match', 'a GET with If-None-Match of this version is a 304', async () => {
    const { ETag } = await put('get-if-none-match', 'x');
    expect((await refusal(get('get-if-none-match', { IfNoneMatch: ETag }))).status).toBe(304);
    await (await get('get-if-none-match', { IfNoneMatch: OTHER_ETAG })).Body?.transformToString();
  });

  check('modified-since', 'a GET can be conditional on the time of the last change', async () => {
    await put('modified-since', 'x');
    const { LastModified = new Date(0) } = await s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'modified-since' }));
    const earlier = new Date(LastModified.getTime() - 60_000);
    expect((await refusal(get('modified-since', { IfModifiedSince: LastModified }))).status).toBe(304);
    expect((await refusal(get('modified-since', { IfUnmodifiedSince: earlier }))).status).toBe(412);
    await (await get('modified-since', { IfModifiedSince: earlier })).Body?.transformToString();
    await (await get('modified-since', { IfUnmodifiedSince: LastModified })).Body?.transformToString();
  });

  check('etag-before-date', 'where both are sent the ETag decides, not the date', async () => {
    const { ETag } = await put('etag-before-date', 'x');
    const earlier = new Date(Date.now() - 3600_000);
    const answer = await get('etag-before-date', { IfMatch: ETag, IfUnmodifiedSince: earlier });
    expect(await answer.Body?.transformToString()).toBe('x');
  });
}
