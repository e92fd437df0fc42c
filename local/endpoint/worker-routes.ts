/** What containers use: take, stop list, ping, answer. Paths as RunPod's own workers are given them. */
import { z } from 'zod';
import { parseJsonText } from '../../runpod/json-text.ts';
import { type Answer, answer, type Exchange, refuse } from './exchange.ts';
import type { HandedOut, JobBook } from './job-book.ts';
import type { WakeUps } from './wake-ups.ts';
import type { WorkerBook } from './worker-book.ts';

export interface WorkerRoutesOptions {
  readonly book: JobBook;
  readonly workers: WorkerBook;
  readonly wakeUps: WakeUps;
  /** How long an idle take and an empty stop list are held. */
  readonly holdMs: number;
}

/** `error` is only an error when it is a string: RunPod takes anything else for none. */
const DoneBody = z.object({
  status: z.string().optional(),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
  stopPod: z.unknown().optional(),
});

const MAX_BATCH = 100;
const MAX_WAKES = 10_000;

export function createWorkerRoutes({ book, workers, wakeUps, holdMs }: WorkerRoutesOptions) {
  /** Asks `look` now and whenever `topic` is woken, until it finds something or the time is over. */
  async function hold<T>(topic: string, gone: AbortSignal, look: () => T | undefined): Promise<T | undefined> {
    const deadlineMs = performance.now() + holdMs;
    for (let wakes = 0; wakes < MAX_WAKES && !gone.aborted; wakes += 1) {
      const found = look();
      if (found !== undefined) return found;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return undefined;
      await wakeUps.wait(topic, leftMs, gone);
    }
    return undefined;
  }

  async function take({ endpoint, gone, query }: Exchange, workerId: string, batch: boolean): Promise<Answer> {
    const asked = Number(query.get('batch_size') ?? 1);
    const limit = batch && Number.isInteger(asked) ? Math.min(Math.max(asked, 1), MAX_BATCH) : 1;
    const jobs = await hold(`queued ${endpoint}`, gone, () => {
      const taken = book.take(endpoint, workerId, limit);
      return taken.length === 0 ? undefined : taken;
    });
    if (jobs === undefined) return answer(204);
    const onUndelivered = () => {
      for (const { id } of jobs) book.undeliver(id, workerId);
    };
    return { status: 200, json: batch ? jobs : firstOf(jobs), onUndelivered };
  }

  async function stopList({ gone }: Exchange, workerId: string): Promise<Answer> {
    const jobsToStop = await hold(`stop ${workerId}`, gone, () => {
      const stops = workers.takeStops(workerId);
      return stops.length === 0 ? undefined : stops;
    });
    if (jobsToStop === undefined) return answer(204);
    const onUndelivered = () => {
      for (const jobId of jobsToStop) workers.stop(workerId, jobId);
    };
    return { status: 200, json: { jobsToStop }, onUndelivered };
  }

  function ping({ endpoint, query }: Exchange, workerId: string): Answer {
    const version = query.get('runpod_version');
    const unhealthy = query.get('status') === 'unhealthy';
    workers.called(workerId, endpoint, {
      ...(version === null ? {} : { version }),
      ...(unhealthy ? { unhealthy: { check: query.get('check') ?? '', reason: query.get('reason') ?? '' } } : {}),
    });
    const jobIds = (query.get('job_id') ?? '').split(',').filter((id) => id !== '');
    book.named(endpoint, workerId, jobIds);
    return answer(200, {});
  }

  function done({ endpoint, body }: Exchange, workerId: string, jobId: string): Answer {
    if (body === undefined) return refuse(400, 'The result is too large.');
    const parsed = DoneBody.safeParse(parseJsonText(body));
    if (!parsed.success) return refuse(400, 'The result is no JSON object.');
    const { status, output, error, stopPod } = parsed.data;
    if (stopPod === true) workers.called(workerId, endpoint, { refresh: true });
    const isProgress = status === 'IN_PROGRESS';
    const result = { ...(output === undefined ? {} : { output }), ...(typeof error === 'string' ? { error } : {}) };
    const known = isProgress ? book.progress(endpoint, jobId, workerId, output) : book.finish(endpoint, jobId, workerId, result);
    return known ? answer(200, {}) : refuse(404, 'There is no such job, or it has ended.');
  }

  /** `undefined` where the path is none of a worker's. */
  return (exchange: Exchange): Promise<Answer> | Answer | undefined => {
    const [call, workerId, jobId, ...rest] = exchange.path;
    if (workerId === undefined || rest.length > 0) return undefined;
    if (jobId !== undefined) {
      if (call === 'job-done' && exchange.method === 'POST') return done(exchange, workerId, jobId);
      return undefined;
    }
    if (exchange.method !== 'GET') return undefined;
    if (call === 'ping') return ping(exchange, workerId);
    if (call !== 'job-take' && call !== 'job-take-batch' && call !== 'job-stop') return undefined;
    workers.called(workerId, exchange.endpoint);
    return call === 'job-stop' ? stopList(exchange, workerId) : take(exchange, workerId, call === 'job-take-batch');
  };
}

function firstOf(jobs: readonly HandedOut[]): HandedOut | undefined {
  return jobs[0];
}
