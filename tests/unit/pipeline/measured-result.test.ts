import { describe, expect, it } from 'vitest';
import { createLayout } from '../../../pipeline/layout.ts';
import { measureResult, resultNameOf } from '../../../pipeline/measured-result.ts';

const NAME = { stage: 'cut', item: '3', fingerprint: 'abc', attempt: 2, status: 'succeeded' } as const;
const layout = createLayout();

describe('what a result measures', () => {
  it('is read with the name that its key gives, whatever the document says', () => {
    const document = {
      stage: 'other',
      run_id: 'r',
      worker_sec: 3,
      run_sec: 1,
      output: { bytes_read: 5, bytes_written: 6, duration_sec: 7 },
    };
    expect(measureResult(NAME, JSON.stringify(document))).toEqual({
      ...{ ...NAME, code: undefined, runId: 'r', endpoint: 'default', workerSeconds: 3, runSeconds: 1 },
      ...{ executionSeconds: undefined, bytesRead: 5, bytesWritten: 6, mediaSeconds: 7 },
    });
  });

  it("counts the item's own time where its share of the run is not said", () => {
    expect(measureResult(NAME, '{"worker_sec": 3}')).toMatchObject({ workerSeconds: 3, runSeconds: 3 });
  });

  it.each([
    ['a time longer than any run', '{"worker_sec": 1e300}'],
    ['a time below zero', '{"worker_sec": -1}'],
    ['a text for a number', '{"worker_sec": "3", "output": {"bytes_read": "all"}}'],
    ['an output that is none', '{"output": 3, "error": []}'],
  ])('leaves out %s and keeps the rest', (_, json) => {
    expect(measureResult(NAME, json)).toMatchObject({ stage: 'cut', workerSeconds: undefined, bytesRead: undefined });
  });

  it("has one of our codes, or OTHER: another program's words must not become labels", () => {
    const failed = { ...NAME, status: 'failed' as const };
    expect(measureResult(failed, '{"error": {"code": "DISK_FULL"}}')?.code).toBe('DISK_FULL');
    expect(measureResult(failed, '{"error": {"code": "MyModelError: 57"}}')?.code).toBe('OTHER');
    expect(measureResult(NAME, '{"error": {"code": "DISK_FULL"}}')?.code).toBeUndefined();
  });

  it('is nothing where the text is no document', () => {
    expect(measureResult(NAME, 'no JSON')).toBeUndefined();
  });
});

it.each([
  ['pipelines/job/results/cut/3/abc.2.succeeded.json', { job: 'job', name: NAME }],
  ['pipelines/job/results/cut/3/abc.2.succeeded.json.bak', undefined],
  ['pipelines/job/stage/results/cut/3/abc.2.succeeded.json', undefined],
  ['elsewhere/job/results/cut/3/abc.2.succeeded.json', undefined],
])('the key %s names a result, or none', (key, expected) => {
  expect(resultNameOf({ layout }, key)).toEqual(expected);
});
