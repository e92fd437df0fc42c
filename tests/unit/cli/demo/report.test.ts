import { describe, expect, test } from 'vitest';
import { outputTable, type ReportedOutput, totalsLine } from '../../../../cli/demo/report.ts';

const plain = { style: (_: unknown, text: string) => text };
const output = (changes: Partial<ReportedOutput>): ReportedOutput => ({
  job: 'demo-talk',
  key: 'exports/output.mp4',
  isRight: true,
  finding: 'as asked for',
  durationSeconds: 60.48,
  shape: '640x360',
  sizeBytes: 1_500_000,
  readyMs: 41_250,
  ...changes,
});

describe('outputTable', () => {
  test('lists outputs under their folders, in columns', () => {
    const segment = { key: 'stage/a/segment_0.wav', durationSeconds: 5.24, shape: '251,520 samples', sizeBytes: 900 };
    const lines = outputTable([output(segment), output({})], (job) => `data/${job}/`, plain);

    expect(lines).toEqual([
      'demo-talk  data/demo-talk/',
      '  stage/a/',
      '    ✓  segment_0.wav   5.240 s  251,520 samples     900 B  at 41.3 s  as asked for',
      '  exports/',
      '    ✓  output.mp4     60.480 s  640x360            1.5 MB  at 41.3 s  as asked for',
      '',
    ]);
  });

  test('says what is wrong, and what is missing', () => {
    const gone = {
      isRight: false,
      finding: 'no such file',
      durationSeconds: undefined,
      shape: '',
      sizeBytes: 0,
      readyMs: undefined,
    };
    const [, , line = ''] = outputTable([output(gone)], () => '', plain);

    expect(line).toMatch(/✗ {2}output\.mp4 .* missing {2}no such file/);
  });
});

describe('totalsLine', () => {
  const totals = { items: 16, runs: 8, workers: 1, elapsedMs: 51_049 };

  test('says all are right only where all are', () => {
    const right = { isRight: true };

    expect(totalsLine({ ...totals, outputs: [right, right] }, plain)).toBe(
      'All 2 outputs are right: 16 items, 8 runs, 1 worker, 51.0 s in all.',
    );
    expect(totalsLine({ ...totals, outputs: [right, { isRight: false }] }, plain)).toMatch(/^1 of 2 outputs are wrong:/);
  });
});
