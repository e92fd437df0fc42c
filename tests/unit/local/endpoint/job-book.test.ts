import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createJobBook, type JobBook, RETENTION_MS, SYNC_RETENTION_MS } from '../../../../local/endpoint/job-book.ts';
import { type JobTable, openJobTable } from '../../../../local/endpoint/job-table.ts';
import { createWorkerBook, type WorkerBook } from '../../../../local/endpoint/worker-book.ts';

const PING_MS = 10_000;
let folder: string;
let table: JobTable;
let workers: WorkerBook;
let book: JobBook;
let nowMs: number;
const ended: string[] = [];

function open(): void {
  table = openJobTable(join(folder, 'jobs.sqlite'));
  workers = createWorkerBook(
    () => nowMs,
    () => {},
  );
  workers.called('w1', 'ep');
  workers.called('w2', 'ep');
  book = createJobBook({
    table,
    workers,
    now: () => nowMs,
    pingIntervalMs: PING_MS,
    maxHandOuts: 2,
    onQueued: () => {},
    onEnded: (id) => ended.push(id),
  });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-job-book-'));
  nowMs = 1_000_000;
  ended.length = 0;
  open();
});
afterEach(() => {
  table.close();
  rmSync(folder, { recursive: true, force: true });
});

const submit = (change: Partial<{ executionTimeoutMs: number; ttlMs: number; sync: boolean; input: unknown }> = {}) =>
  book.submit('ep', { input: { n: 1 }, executionTimeoutMs: 600_000, ttlMs: 86_400_000, sync: false, ...change }).id;
const statusOf = (id: string) => book.find('ep', id)?.status;
const pass = (ms: number) => {
  nowMs += ms;
  book.sweep();
};

describe('handing out', () => {
  it('gives each job to one worker, oldest first', () => {
    const ids = [submit({ input: 'a' }), submit({ input: 'b' }), submit({ input: 'c' })];
    expect(book.take('ep', 'w1', 2)).toEqual([
      { id: ids[0], input: 'a' },
      { id: ids[1], input: 'b' },
    ]);
    expect(book.take('ep', 'w2', 2)).toEqual([{ id: ids[2], input: 'c' }]);
    expect(book.take('ep', 'w1', 2)).toEqual([]);
  });

  it('keeps the endpoints apart', () => {
    const id = submit();
    expect(book.take('other', 'w1', 1)).toEqual([]);
    expect(book.find('other', id)).toBeUndefined();
  });

  it('puts back what never arrived, without counting it as handed out', () => {
    const id = submit();
    for (let round = 0; round < 5; round += 1) {
      book.take('ep', 'w1', 1);
      book.undeliver(id, 'w1');
    }
    expect(book.find('ep', id)).toMatchObject({ status: 'IN_QUEUE', hand_outs: 0, put_backs: 0 });
  });
});

describe('a lost worker', () => {
  it('that comes back and takes its job again is not told to stop it', () => {
    const id = submit();
    book.take('ep', 'w1', 1);
    pass(3 * PING_MS);
    expect(book.take('ep', 'w1', 1)).toMatchObject([{ id }]);
    expect(workers.takeStops('w1')).toEqual([]);
  });

  it('has its job put back after three missed pings, and not while it pings', () => {
    const id = submit();
    book.take('ep', 'w1', 1);
    pass(PING_MS * 2.9);
    book.named('ep', 'w1', [id]);
    pass(PING_MS * 2.9);
    expect(statusOf(id)).toBe('IN_PROGRESS');
    pass(PING_MS * 0.1);
    expect(book.find('ep', id)).toMatchObject({ status: 'IN_QUEUE', worker_id: null, put_backs: 1 });
  });

  it('loses a job that its pings do not name', () => {
    const id = submit();
    book.take('ep', 'w1', 1);
    for (let ping = 0; ping < 3; ping += 1) {
      pass(PING_MS);
      book.named('ep', 'w1', []);
    }
    expect(statusOf(id)).toBe('IN_QUEUE');
  });

  it('is told to stop when it comes back and names the job that another one has', () => {
    const id = submit();
    book.take('ep', 'w1', 1);
    pass(PING_MS * 3);
    workers.takeStops('w1');
    book.take('ep', 'w2', 1);
    book.named('ep', 'w1', [id]);
    expect(workers.takeStops('w1')).toEqual([id]);
    expect(book.find('ep', id)).toMatchObject({ status: 'IN_PROGRESS', worker_id: 'w2' });
  });

  it('ends the job with an error when it happens twice', () => {
    const id = submit();
    for (const worker of ['w1', 'w2']) {
      book.take('ep', worker, 1);
      pass(PING_MS * 3);
    }
    expect(book.find('ep', id)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('worker was lost') });
    expect(ended).toEqual([id]);
  });

  it('may still finish: the first result counts, and whoever repeats the work is stopped', () => {
    const id = submit();
    book.take('ep', 'w1', 1);
    pass(PING_MS * 3);
    book.take('ep', 'w2', 1);
    expect(book.finish('ep', id, 'w1', { output: 'first' })).toBe(true);
    expect(workers.takeStops('w2')).toEqual([id]);
    expect(book.finish('ep', id, 'w2', { output: 'second' })).toBe(false);
    expect(book.find('ep', id)).toMatchObject({ status: 'COMPLETED', output: '"first"' });
  });
});

describe('results', () => {
  it('are COMPLETED with an output, FAILED with an error', () => {
    const [good, bad, empty] = [submit(), submit(), submit()];
    book.take('ep', 'w1', 3);
    book.finish('ep', good, 'w1', { output: { a: 1 } });
    book.finish('ep', bad, 'w1', { error: 'no' });
    book.finish('ep', empty, 'w1', {});
    expect(book.find('ep', good)).toMatchObject({ status: 'COMPLETED', output: '{"a":1}', error: null });
    expect(book.find('ep', bad)).toMatchObject({ status: 'FAILED', output: null, error: 'no' });
    expect(book.find('ep', empty)).toMatchObject({ status: 'COMPLETED', output: null });
  });

  it('replace progress', () => {
    const id = submit();
    book.take('ep', 'w1', 1);
    expect(book.progress('ep', id, 'w1', { percent: 50 })).toBe(true);
    expect(book.find('ep', id)).toMatchObject({ status: 'IN_PROGRESS', output: '{"percent":50}' });
    book.finish('ep', id, 'w1', { error: 'no' });
    expect(book.find('ep', id)?.output).toBeNull();
  });

  it("are no other worker's to report progress on, nor after the end", () => {
    const id = submit();
    book.take('ep', 'w1', 1);
    expect(book.progress('ep', id, 'w2', {})).toBe(false);
    book.finish('ep', id, 'w1', {});
    expect(book.progress('ep', id, 'w1', {})).toBe(false);
  });

  it('are forgotten after half an hour, those of runsync after a minute', () => {
    const [usual, sync] = [submit(), submit({ sync: true })];
    book.take('ep', 'w1', 2);
    book.finish('ep', usual, 'w1', {});
    book.finish('ep', sync, 'w1', {});
    pass(SYNC_RETENTION_MS);
    expect([statusOf(usual), statusOf(sync)]).toEqual(['COMPLETED', undefined]);
    pass(RETENTION_MS - SYNC_RETENTION_MS - 1);
    expect(statusOf(usual)).toBe('COMPLETED');
    pass(1);
    expect(statusOf(usual)).toBeUndefined();
  });
});

describe('limits', () => {
  it('time a job out that runs too long, and stop its worker', () => {
    const id = submit({ executionTimeoutMs: 5_000 });
    pass(60_000);
    book.take('ep', 'w1', 1);
    pass(4_999);
    expect(statusOf(id)).toBe('IN_PROGRESS');
    pass(1);
    expect(statusOf(id)).toBe('TIMED_OUT');
    expect(workers.takeStops('w1')).toEqual([id]);
  });

  it('remove a job whose time to live is over, queued or running', () => {
    const [running, queued] = [submit({ ttlMs: 10_000 }), submit({ ttlMs: 10_000 })];
    book.take('ep', 'w1', 1);
    pass(10_000);
    expect([statusOf(running), statusOf(queued)]).toEqual([undefined, undefined]);
    expect(workers.takeStops('w1')).toEqual([running]);
  });
});

describe('what callers ask for', () => {
  it('cancels a queued job and a running one, and leaves one that has ended', () => {
    const [running, queued] = [submit(), submit()];
    book.take('ep', 'w1', 1);
    for (const id of [running, queued]) {
      const job = book.find('ep', id);
      if (job !== undefined) book.cancel(job);
      expect(statusOf(id)).toBe('CANCELLED');
    }
    expect(workers.takeStops('w1')).toEqual([running]);
    expect(book.finish('ep', running, 'w1', { output: 'late' })).toBe(false);
    expect(book.take('ep', 'w1', 1)).toEqual([]);
  });

  it('retries under the same id what failed, and nothing else', () => {
    const id = submit({ input: 'same' });
    const retry = () => {
      const job = book.find('ep', id);
      return job !== undefined && book.retry(job);
    };
    expect(retry()).toBe(false);
    book.take('ep', 'w1', 1);
    book.finish('ep', id, 'w1', { error: 'no' });
    expect(retry()).toBe(true);
    expect(book.find('ep', id)).toMatchObject({ status: 'IN_QUEUE', error: null, ended_ms: null });
    expect(book.take('ep', 'w2', 1)).toEqual([{ id, input: 'same' }]);
  });

  it('purges what is queued and leaves what runs', () => {
    const running = submit();
    book.take('ep', 'w1', 1);
    submit();
    submit();
    expect(book.purge('ep')).toBe(2);
    expect(book.jobCounts('ep')).toEqual({ completed: 0, failed: 0, inProgress: 1, inQueue: 0, retried: 0 });
    expect(statusOf(running)).toBe('IN_PROGRESS');
  });
});

describe('a restart', () => {
  it('keeps every job, and gives workers the usual time to name what they run', () => {
    const [named, silent, queued] = [submit(), submit(), submit()];
    book.take('ep', 'w1', 2);
    table.close();
    nowMs += PING_MS * 50;
    open();
    book.sweep();
    expect([named, silent, queued].map(statusOf)).toEqual(['IN_PROGRESS', 'IN_PROGRESS', 'IN_QUEUE']);
    pass(PING_MS * 2);
    book.named('ep', 'w1', [named]);
    pass(PING_MS);
    expect([named, silent, queued].map(statusOf)).toEqual(['IN_PROGRESS', 'IN_QUEUE', 'IN_QUEUE']);
  });
});
