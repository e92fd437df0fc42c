import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createLayout,
  parseAttemptPath,
  parseAuditName,
  parseResultPath,
  parseSlotPath,
  parseWaitingName,
  parseWebhookName,
  type WaitingKind,
} from '../../../pipeline/layout.ts';

const layout = createLayout();
const NAME = { stage: 'segmentation', item: '7', fingerprint: 'ab12', attempt: 3 };

const nameIn = (key: string): string => key.slice(layout.statePrefixOf('waiting', 'job-1').length);

describe('keys are made from names and read back', () => {
  test('a job lies in its folder', () => expect(layout.jobKey('job-1', 'inputs/a.wav')).toBe('pipelines/job-1/inputs/a.wav'));

  test('a result names its attempt and its end', () => {
    const key = layout.resultKey('job-1', NAME, 'failed');
    expect(key).toBe('pipelines/job-1/results/segmentation/7/ab12.3.failed.json');
    expect(key.startsWith(layout.resultPrefix('job-1', NAME))).toBe(true);
    expect(parseResultPath(key.slice('pipelines/job-1/results/'.length))).toEqual({ ...NAME, status: 'failed' });
  });

  test('results of attempt 1 are no results of attempt 12', () => {
    const twelve = layout.resultKey('job-1', { ...NAME, attempt: 12 }, 'succeeded');
    expect(twelve.startsWith(layout.resultPrefix('job-1', { ...NAME, attempt: 1 }))).toBe(false);
  });

  test.each(['claims', 'runs', 'retries'] as const)('%s lie outside the notified prefix', (kind) => {
    const key = layout.stateKey(kind, 'job-1', NAME);
    expect(key).toBe(`pipelines-state/${kind}/job-1/segmentation/7/ab12.3`);
    expect(parseAttemptPath(key.slice(layout.statePrefixOf(kind, 'job-1').length))).toEqual(NAME);
    expect(layout.jobOf(key)).toBeNull();
  });

  test('waiting notes sort by time, and tell it', () => {
    const keys = [9_999, 10_000, 1_800_000_000_000].map((atMs) => layout.waitingKey('job-1', atMs, 'x'));
    expect(keys.toSorted()).toEqual(keys);
    expect(keys.map((key) => parseWaitingName(nameIn(key))?.atMs)).toEqual([9_999, 10_000, 1_800_000_000_000]);
  });

  test.each<WaitingKind>(['hold', 'retry', { slotOf: 'default' }, { slotOf: 'speech-detection' }])(
    'a waiting note tells its kind: %j',
    (kind) => {
      expect(parseWaitingName(nameIn(layout.waitingKey('job-1', 5, 'a1', kind)))).toEqual({ atMs: 5, kind });
    },
  );

  test('slots and audits are read back', () => {
    const slot = layout.slotKey('default', 'job-1.2', NAME, 'f00');
    expect(parseSlotPath(slot.slice(layout.slotPrefix.length))).toEqual({ endpoint: 'default', job: 'job-1.2', name: NAME });
    expect(parseSlotPath('default/job-1/rubbish')).toBeNull();
    const audits = [layout.auditKey(3_600_000), layout.auditKey(3_600_000, 'done')];
    expect(audits.map((key) => parseAuditName(key.slice(layout.auditPrefix.length)))).toEqual([
      { startMs: 3_600_000, done: false },
      { startMs: 3_600_000, done: true },
    ]);
    expect(parseAuditName('rubbish')).toBeNull();
  });

  test('attempts to send webhooks are read back, and claimed outside the notified prefix', () => {
    const name = { id: 'f00d', attempt: 12 };
    const kept = layout.webhookKey('job-1', name, 'delivered');
    expect(kept).toBe('pipelines/job-1/webhooks/f00d.12.delivered.json');
    expect(parseWebhookName(kept.slice('pipelines/job-1/webhooks/'.length))).toEqual({ ...name, outcome: 'delivered' });
    const claim = layout.webhookClaimKey('job-1', name);
    expect(layout.jobOf(claim)).toBeNull();
    expect(parseWebhookName(claim.slice(layout.webhookClaimPrefix('job-1').length))).toEqual({ ...name, outcome: null });
    for (const other of ['f00d', 'f00d.1.lost.json', 'f00d.1.failed.json/x', 'F00D.1'])
      expect(parseWebhookName(other)).toBeNull();
  });

  test('what else lies there is nobody’s attempt', () => {
    for (const path of ['readme.txt', 'a/b/c.1', 'segmentation/7/ab12', 'segmentation/7/ab12.1.succeeded.json/x', 'S/7/ab.1']) {
      expect(parseAttemptPath(path)).toBeNull();
      expect(parseResultPath(path)).toBeNull();
    }
    expect(parseWaitingName('note')).toBeNull();
  });
});

describe('the job that a key belongs to', () => {
  test.each([
    ['pipelines/job-1/inputs/a.wav', { job: 'job-1', key: 'inputs/a.wav' }],
    ['pipelines/a..b/x', { job: 'a..b', key: 'x' }],
    ['pipelines/job-1/', { job: 'job-1', key: '' }],
    ['pipelines/job-1/inputs/', { job: 'job-1', key: 'inputs/' }],
    ['pipelines/../secrets', 'invalid'],
    ['pipelines/..x/y', 'invalid'],
    ['pipelines//x', 'invalid'],
    ['pipelines/job-1/a/../b', 'invalid'],
    ['pipelines/job-1/a//b', 'invalid'],
    [`pipelines/${'a'.repeat(129)}/x`, 'invalid'],
    ['pipelines/readme.txt', null],
    ['other/job-1/x', null],
    ['pipelines-state/claims/job-1/x', null],
  ])('%s', (key, expected) => expect(layout.jobOf(key)).toEqual(expected));

  test('is the one that the key was made for', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/).filter((text) => text !== '.' && text !== '..');
    const job = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);
    fc.assert(
      fc.property(job, fc.array(part, { minLength: 1, maxLength: 4 }), (id, parts) => {
        expect(layout.jobOf(layout.jobKey(id, parts.join('/')))).toEqual({ job: id, key: parts.join('/') });
      }),
    );
  });
});
