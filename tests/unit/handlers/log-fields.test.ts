import { expect, test } from 'vitest';
import { logFieldsOf } from '../../../handlers/log-fields.ts';

const millrace = (item: string, attempt: number) => ({
  millrace: { job: 'talk-1', stage: 'segmentation', item, fingerprint: 'aa', attempt },
});

test('a run with one item names its job, stage, item and attempt', () => {
  const parameters = { source_uri: 'https://example.com/a.wav?signature', ...millrace('57', 2) };
  const fields = { task: 'AUDIO_TRIM', job: 'talk-1', stage: 'segmentation', item: '57', attempt: 2 };
  expect(logFieldsOf({ task: 'AUDIO_TRIM', parameters })).toEqual(fields);
});

test('a batch names its items together, because their attempts may differ', () => {
  const parameters = { segments: [millrace('3', 1), millrace('7', 2)] };
  const fields = { task: 'AUDIO_TRIM', job: 'talk-1', stage: 'segmentation', items: '3,7' };
  expect(logFieldsOf({ task: 'AUDIO_TRIM', parameters })).toEqual(fields);
});

test.each([{ task: 'PING' }, { task: 'PING', parameters: { millrace: 'nonsense' } }])('%j names its task alone', (input) => {
  expect(logFieldsOf(input)).toEqual({ task: 'PING' });
});

test.each([undefined, null, 'text', {}])('%j is of no known task', (input) => {
  expect(logFieldsOf(input)).toEqual({ task: 'unknown' });
});
