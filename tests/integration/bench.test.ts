/** The bench in its smallest shape: what does not depend on the machine. Times are for `node bench/bench.ts`. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { wallMsOn } from '../../bench/chunk-schedule.ts';
import { chunks, measureChunks } from '../../bench/chunks.ts';
import { coldStart, measureColdStart } from '../../bench/cold-start.ts';
import { measureDispatch } from '../../bench/dispatch.ts';
import { BATCH_SIZE, measureTrims, SEGMENT_SECONDS, type TrimsReport } from '../../bench/trims.ts';
import { trimsTable } from '../../bench/trims-bench.ts';

const execute = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const SEGMENTS = 10;
const SEGMENT_BYTES = 44 + SEGMENT_SECONDS * 48_000 * 4;
/** What an input is opened with. */
const OPENING_BYTES = 256 * 1024;
const SLACK = 1.05;
/** A minute on two busy cores. */
const BENCH_TIME_LIMIT_MS = 300_000;

describe('ten segments of a master of ten minutes', () => {
  let report: TrimsReport;
  beforeAll(async () => {
    const [first] = await measureTrims({ masterMinutes: 10, segments: SEGMENTS, naiveSegments: 2, networks: [null] });
    if (first === undefined) throw new Error('no report');
    report = first;
  }, BENCH_TIME_LIMIT_MS);
  const rowOf = (format: string, way: string) => {
    const row = report.rows.find((each) => each.format === format && each.way === way);
    if (row === undefined) throw new Error(`no row ${format} ${way}`);
    return row;
  };

  test.each(['m4a', 'mp3', 'wav'])('of a %s are uploaded whole, once each, whichever way', (format) => {
    for (const way of ['batches', 'singles']) {
      expect(rowOf(format, way)).toMatchObject({ segmentsMeasured: 10, uploads: 10, uploadedBytes: 10 * SEGMENT_BYTES });
    }
    expect(rowOf(format, 'naive')).toMatchObject({ segmentsMeasured: 2, uploads: 10, downloads: 10 });
  });

  test.each(['m4a', 'mp3', 'wav'] as const)('of a %s take the whole master each in the naive way', (format) => {
    const masterBytes = report.masterBytes[format] ?? 0;
    expect(rowOf(format, 'naive').downloadedBytes).toBe(SEGMENTS * masterBytes);
    expect(rowOf(format, 'naive').bytesShare).toBe(1);
  });

  test('of a WAV take little more than their sound, also where each is a run of its own', () => {
    expect(rowOf('wav', 'batches').bytesShare).toBeLessThan(0.05);
    expect(rowOf('wav', 'singles').downloadedBytes).toBeLessThan(SEGMENTS * (SEGMENT_BYTES + 3 * OPENING_BYTES));
  });

  test('of an mp3 read the master once in all, and its beginning in each later run', () => {
    const masterBytes = report.masterBytes.mp3 ?? 0;
    const runs = { batches: Math.ceil(SEGMENTS / BATCH_SIZE), singles: SEGMENTS };
    for (const way of ['batches', 'singles'] as const) {
      expect(rowOf('mp3', way).downloadedBytes).toBeLessThan(SLACK * (masterBytes + runs[way] * OPENING_BYTES));
    }
  });

  test('of an m4a read its beginning and its index once in all, and in each later run little but the spans', () => {
    const { downloadedBytes, downloads } = rowOf('m4a', 'singles');
    const masterBytes = report.masterBytes.m4a ?? 0;
    // Every run reads the beginning anew, to learn whether the master is still the same; what else it reads is read once.
    expect(downloadedBytes).toBeLessThanOrEqual(masterBytes + SEGMENTS * OPENING_BYTES);
    expect(downloads).toBeLessThanOrEqual(3 * SEGMENTS);
  });

  test('of an m4a never read the master more than once in a run', () => {
    const masterBytes = report.masterBytes.m4a ?? 0;
    const runs = Math.ceil(SEGMENTS / BATCH_SIZE);
    // It is smaller than what the reader holds: nothing of it is asked for twice.
    expect(rowOf('m4a', 'batches').downloadedBytes).toBeLessThanOrEqual(runs * masterBytes);
  });

  test('are told as a table that says what was extrapolated', () => {
    const table = trimsTable(report);
    expect(table).toHaveLength(2 + report.rows.length + 1);
    expect(table.at(-1)).toContain('Measured on 2 segments, extrapolated to 10');
  });
});

test('a cold start is measured up to the first request for a job', async () => {
  const report = await measureColdStart({ rounds: 1 });
  for (const way of [report.withCompileCache, report.withoutCompileCache]) {
    // One round on a busy machine orders nothing: only that each was measured.
    for (const ms of [way.loadedMs, way.firstTakeMs, way.readyMs]) expect(ms).toBeGreaterThan(0);
    expect(way.emptyProcesses).toBeCloseTo(way.firstTakeMs / report.emptyProcessMs);
  }
  expect(coldStart.table(report)).toHaveLength(6 + 1 + report.commands.length);
});

test(
  'a dispatch is measured beside a bare consumer, and every event is settled',
  async () => {
    const report = await measureDispatch({ latencies: 2, smallJobs: 4, bigSegments: 9 });
    for (const { p50, p99 } of [report.latencyMs.bare, report.latencyMs.ours]) {
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
    }
    // A master and a manifest a job; an output and a result a segment.
    expect(report.smallJobsDrained).toMatchObject({ bare: { events: 8 }, ours: { events: 8 } });
    expect(report.bigJobDrained.events).toBe(18);
  },
  BENCH_TIME_LIMIT_MS,
);

test(
  'a video in chunks has the frames and the quality of one made whole',
  async () => {
    const report = await measureChunks({ sourceSeconds: 4, chunkSeconds: 2, simulatedSeconds: 600 });
    expect(report.frames).toEqual({ whole: 120, chunks: 120 });
    expect(Math.abs(report.quality.chunks.ssim - report.quality.whole.ssim)).toBeLessThan(0.005);
    expect(report.measured.map(({ workers }) => workers)).toEqual([1, 2]);
    expect(report.simulated).toMatchObject({ videoSeconds: 600, chunks: 5 });
    expect(chunks.table(report).join('\n')).toContain('120 frames against 120');
  },
  BENCH_TIME_LIMIT_MS,
);

test('chunks are shared out among workers, the first of which makes the sound before it takes any', () => {
  const costs = { listMs: 1000, splitMs: 5000, chunksMs: [2000, 2000, 2000, 2000], joinMs: 500 };
  expect(wallMsOn(1, costs, 0)).toBe(5000 + 8000 + 500);
  // The second makes two while the first makes the sound, and each one more.
  expect(wallMsOn(2, costs, 0)).toBe(7000 + 500);
  expect(wallMsOn(100, costs, 0)).toBe(5000 + 500);
  expect(wallMsOn(100, costs, 100)).toBe(5000 + 100 + 500);
});

describe('the program of a worker', () => {
  test('loads the S3 client only where it holds keys', async () => {
    expect(await packagesLoaded({})).not.toContain('@aws-sdk');
    expect(await packagesLoaded({ HMAC_KEY: 'key', HMAC_SECRET: 'secret' })).toContain('@aws-sdk');
  });
});

const TELL_LOADS = `import { registerHooks } from 'node:module';
registerHooks({ load(url, context, next) { process.stderr.write('loads ' + url + '\\n'); return next(url, context); } });`;

/** What one PING makes a worker load, as one text. */
async function packagesLoaded(keys: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-test-'));
  try {
    const hook = `data:text/javascript,${encodeURIComponent(TELL_LOADS)}`;
    const input = '{"input":{"task":"PING"}}';
    const { stdout, stderr } = await execute(process.execPath, ['--import', hook, MAIN, 'worker', '--test_input', input], {
      env: { PATH: process.env.PATH, MILLRACE_WORK_DIR: directory, ...keys },
      cwd: directory,
    });
    expect(stdout).toContain('pong');
    return stderr;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
