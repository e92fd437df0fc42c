/**
 * What a job costs in requests to the bucket, by number of segments: counted, so that it is the same on every machine. One look at the
 * job at its beginning, one in the middle, one at its end and one sweep are carried out on a bucket in memory; how many looks lie
 * between follows from how many events one look settles.
 */
import { formatTable } from '../cli/terminal.ts';
import { DEFAULT_POLLERS, MAX_HELD_BEFORE_POLL } from '../consumers/sqs.ts';
import { reconcile } from '../pipeline/reconcile.ts';
import { sweep } from '../pipeline/sweep.ts';
import type { RequestCounts, RequestKind } from './counting-store.ts';
import { createJobInMemory, JOB, segmentsOf } from './job-in-memory.ts';
import type { Bench } from './measurement.ts';

/** An item's output and its result. */
const EVENTS_AN_ITEM = 2;
/** Of one job with many: what a consumer holds when a look begins. */
const EVENTS_A_LOOK = DEFAULT_POLLERS * MAX_HELD_BEFORE_POLL;
const LATER_MS = 3600_000;

export interface RequestsRow {
  readonly items: number;
  /** From the first event to the last claim that the sweep deletes. */
  readonly perItem: number;
  /** Of `perItem`: listings of the whole job, in pages of a thousand keys. */
  readonly looksPerItem: number;
  readonly claimsPerItem: number;
  readonly runs: number;
  readonly total: RequestCounts;
}

export interface RequestsReport {
  readonly rows: readonly RequestsRow[];
}

export async function countRequests(items: number): Promise<RequestsRow> {
  const job = createJobInMemory();
  const { source } = job;
  job.submit(segmentsOf(items));
  const { plan } = await reconcile(source, JOB);
  const begun = job.takeCounts();
  const half = Math.ceil(plan.dispatch.length / 2);
  job.passTime(1000);
  for (const item of plan.dispatch.slice(0, half)) job.finish(item);
  await reconcile(source, JOB);
  const midway = job.takeCounts();
  for (const item of plan.dispatch.slice(half)) job.finish(item);
  const last = await reconcile(source, JOB);
  if (last.dispatched !== 0) throw new Error('the job did not end');
  const ended = job.takeCounts();
  job.passTime(LATER_MS);
  await sweep(source);
  const swept = job.takeCounts();
  const looks = Math.max(2, Math.ceil((items * EVENTS_AN_ITEM) / EVENTS_A_LOOK));
  const total = sum([begun, ...Array.from({ length: looks - 1 }, () => midway), ended, swept]);
  return {
    ...{ items, runs: job.runs(), total },
    perItem: allOf(total) / items,
    looksPerItem: ((looks - 1) * allOf(midway) + allOf(ended)) / items,
    claimsPerItem: begun.create / items,
  };
}

export const storeRequests: Bench<RequestsReport> = {
  name: 'store-requests',
  async measure(quick) {
    const rows: RequestsRow[] = [];
    for (const items of quick ? [10, 1000] : [10, 1000, 100_000]) rows.push(await countRequests(items));
    return { rows };
  },
  table: ({ rows }) => [
    'Requests to the bucket for a job, its dispatch and its sweep, in all and per item (counted, in memory)',
    ...formatTable([
      ['segments', 'runs', 'an item', 'of which looks', 'list', 'create', 'get', 'head', 'put', 'delete'],
      ...rows.map(({ items, runs, perItem, looksPerItem, total }) => [
        ...[String(items), String(runs), perItem.toFixed(2), looksPerItem.toFixed(2)],
        ...(['list', 'create', 'get', 'head', 'put', 'delete'] as const).map((kind) => String(total[kind])),
      ]),
    ]),
  ],
  goals({ rows }) {
    const [least, most] = [rows.at(-2), rows.at(-1)];
    if (least === undefined || most === undefined) return [];
    const what = `requests an item, ${most.items} segments against ${least.items}`;
    return [{ what, found: most.perItem / least.perItem, goal: 1.1, unit: '×', better: 'less' }];
  },
};

function sum(counts: readonly RequestCounts[]): RequestCounts {
  const add = (kind: RequestKind) => counts.reduce((total, each) => total + each[kind], 0);
  return {
    ...{ list: add('list'), head: add('head'), get: add('get') },
    ...{ put: add('put'), create: add('create'), delete: add('delete') },
  };
}

const allOf = (counts: RequestCounts): number => Object.values(counts).reduce((total, count) => total + count, 0);
