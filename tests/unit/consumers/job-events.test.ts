import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jobOfEvent } from '../../../consumers/job-events.ts';
import type { ObjectEvent } from '../../../consumers/object-event.ts';
import { isJobKey } from '../../../manifests/job-key.ts';

const settings = { bucket: 'videos', pipelinesPrefix: 'pipelines' };
const event = (key: string, overrides: Partial<ObjectEvent> = {}): ObjectEvent => ({
  bucket: 'videos',
  key,
  kind: 'created',
  source: 's3',
  ...overrides,
});

const jobId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);
const path = fc.string({ minLength: 1, maxLength: 50 }).filter((text) => isJobKey(text) && !/^(problems|webhooks)\//.test(text));

describe('jobOfEvent', () => {
  test('any object of a job, created or removed, names its job', () => {
    fc.assert(
      fc.property(
        jobId,
        path,
        fc.constantFrom('created', 'removed'),
        fc.constantFrom('pipelines', 'pipelines/'),
        (job, key, kind, prefix) => {
          const found = jobOfEvent(event(`pipelines/${job}/${key}`, { kind }), { ...settings, pipelinesPrefix: prefix });
          expect(found).toEqual({ kind: 'job', job });
        },
      ),
    );
  });

  test('no key makes it throw, or name a job that is not the part after the prefix', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (rest) => {
        const found = jobOfEvent(event(`pipelines/${rest}`), settings);
        if (found.kind === 'job') expect(rest.startsWith(`${found.job}/`)).toBe(true);
      }),
    );
  });

  test.each([
    ['pipelines/j/problems/segments.json.e.json', 'a problem object'],
    ['pipelines/j/webhooks/ab12.1.delivered.json', 'how a webhook went'],
    ['pipelines-state/claims/j/s/0/f.1', 'outside of pipelines/'],
    ['other/j/x', 'outside of pipelines/'],
    ['pipelines', 'outside of pipelines/'],
    ['pipelines/', "not inside a job's folder"],
    ['pipelines/readme.txt', "not inside a job's folder"],
  ])('%s is ignored: %s', (key, reason) => {
    expect(jobOfEvent(event(key), settings)).toEqual({ kind: 'ignored', reason });
  });

  test('problems/ elsewhere in the path is an ordinary folder', () => {
    expect(jobOfEvent(event('pipelines/j/stage/problems/x'), settings)).toEqual({ kind: 'job', job: 'j' });
    expect(jobOfEvent(event('pipelines/j/webhooks.json'), settings)).toEqual({ kind: 'job', job: 'j' });
  });

  test('a change that is none of content is ignored', () => {
    expect(jobOfEvent(event('pipelines/j/x', { kind: 'other' }), settings)).toEqual({
      kind: 'ignored',
      reason: 'no change of content',
    });
  });

  test.each([
    'pipelines/../x',
    'pipelines//x',
    'pipelines/.hidden/x',
    'pipelines/a b/x',
    'pipelines/ä/x',
    `pipelines/${'a'.repeat(129)}/x`,
  ])('%s is refused as KEY_INVALID', (key) => {
    expect(jobOfEvent(event(key), settings)).toMatchObject({ kind: 'refused', error: { code: 'KEY_INVALID' } });
  });

  test('another bucket is refused, whatever the key', () => {
    expect(jobOfEvent(event('anything', { bucket: 'theirs', kind: 'other' }), settings)).toMatchObject({
      kind: 'refused',
      error: { code: 'BUCKET_NOT_ALLOWED', context: { bucket: 'theirs', allowed: 'videos' } },
    });
  });
});
