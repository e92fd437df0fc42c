/** What callers of an endpoint use: `/v2/<endpoint>/run` and its siblings. */
import { z } from 'zod';
import { parseJsonText } from '../../runpod/json-text.ts';
import { type Answer, answer, type Exchange, refuse } from './exchange.ts';
import { hasEnded, statusDocument } from './job.ts';
import { type JobBook, MISSED_PINGS } from './job-book.ts';
import type { WakeUps } from './wake-ups.ts';
import type { WorkerBook } from './worker-book.ts';

export interface ClientRoutesOptions {
  readonly book: JobBook;
  readonly workers: WorkerBook;
  readonly wakeUps: WakeUps;
  readonly now: () => number;
  readonly pingIntervalMs: number;
}

const DAY_MS = 86_400_000;
const Policy = z.object({
  executionTimeout: z
    .int()
    .min(5_000)
    .max(7 * DAY_MS)
    .default(600_000),
  ttl: z
    .int()
    .min(10_000)
    .max(7 * DAY_MS)
    .default(DAY_MS),
});

const RunBody = z.object({
  input: z.record(z.string(), z.unknown()),
  policy: Policy.default(() => Policy.parse({})),
  webhook: z.undefined({ error: 'is not supported by the local endpoint: ask /status' }).optional(),
  s3Config: z.undefined({ error: 'is not supported by the local endpoint' }).optional(),
});

/** RunPod's bounds for how long `/runsync` is held. */
const SYNC_WAIT_MS = { least: 1_000, most: 300_000, usual: 90_000 };

export function createClientRoutes({ book, workers, wakeUps, now, pingIntervalMs }: ClientRoutesOptions) {
  function submit({ endpoint, body }: Exchange, sync: boolean): Answer | { readonly jobId: string } {
    if (body === undefined) return refuse(400, 'The body is larger than 10 MB.');
    const parsed = RunBody.safeParse(parseJsonText(body));
    if (!parsed.success) {
      const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
      return refuse(400, faults.join('; '));
    }
    const { input, policy } = parsed.data;
    const { id } = book.submit(endpoint, { input, executionTimeoutMs: policy.executionTimeout, ttlMs: policy.ttl, sync });
    return { jobId: id };
  }

  async function runSync(exchange: Exchange): Promise<Answer> {
    const submitted = submit(exchange, true);
    if (!('jobId' in submitted)) return submitted;
    const wanted = Number(exchange.query.get('wait') ?? SYNC_WAIT_MS.usual);
    const waitMs = Math.min(Math.max(Number.isFinite(wanted) ? wanted : 0, SYNC_WAIT_MS.least), SYNC_WAIT_MS.most);
    await wakeUps.wait(`ended ${submitted.jobId}`, waitMs, exchange.gone);
    return status(exchange, submitted.jobId);
  }

  function status({ endpoint }: Exchange, jobId: string): Answer {
    const job = book.find(endpoint, jobId);
    return job === undefined ? unknownJob() : answer(200, statusDocument(job, now()));
  }

  function cancel(exchange: Exchange, jobId: string): Answer {
    const job = book.find(exchange.endpoint, jobId);
    if (job === undefined) return unknownJob();
    book.cancel(job);
    return status(exchange, jobId);
  }

  function retry({ endpoint }: Exchange, jobId: string): Answer {
    const job = book.find(endpoint, jobId);
    if (job === undefined) return unknownJob();
    if (book.retry(job)) return answer(200, { id: jobId, status: 'IN_QUEUE' });
    return refuse(400, hasEnded(job) ? `A job that is ${job.status} cannot be retried.` : 'The job has not ended.');
  }

  function health({ endpoint }: Exchange): Answer {
    const here = workers.workers.filter((worker) => worker.endpoint === endpoint);
    const alive = here.filter((worker) => now() - worker.lastCallMs < pingIntervalMs * MISSED_PINGS);
    const ready = alive.filter((worker) => worker.unhealthy === undefined);
    const busy = book.busyWorkers(endpoint);
    const running = ready.filter((worker) => busy.has(worker.workerId)).length;
    return answer(200, {
      jobs: book.jobCounts(endpoint),
      workers: {
        idle: ready.length - running,
        initializing: 0,
        ready: ready.length,
        running,
        throttled: 0,
        unhealthy: alive.length - ready.length,
      },
    });
  }

  /** `undefined` where the path is none of a client's. */
  return (exchange: Exchange): Promise<Answer> | Answer | undefined => {
    const [call, jobId, ...rest] = exchange.path;
    if (rest.length > 0) return undefined;
    const post = exchange.method === 'POST';
    if (jobId === undefined) {
      if (call === 'run' && post) {
        const submitted = submit(exchange, false);
        return 'jobId' in submitted ? answer(200, { id: submitted.jobId, status: 'IN_QUEUE' }) : submitted;
      }
      if (call === 'runsync' && post) return runSync(exchange);
      if (call === 'health' && !post) return health(exchange);
      if (call === 'purge-queue' && post) return answer(200, { removed: book.purge(exchange.endpoint), status: 'completed' });
      return undefined;
    }
    if (call === 'status') return status(exchange, jobId);
    if (call === 'cancel' && post) return cancel(exchange, jobId);
    if (call === 'retry' && post) return retry(exchange, jobId);
    if (call === 'stream') return refuse(501, 'The local endpoint does not stream; ask /status.');
    return undefined;
  };
}

function unknownJob(): Answer {
  return refuse(404, 'There is no such job, or it has been forgotten.');
}
