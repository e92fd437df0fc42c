/** Pings on a thread of their own, told which jobs are in progress. */
import { Worker } from 'node:worker_threads';
import type { Logger } from '../log.ts';
import type { PingerData, PingerReport } from './pinger-thread.ts';
import type { WorkerEnvironment } from './worker-environment.ts';

export interface Pinger {
  /** Resolves when the thread runs. Work that blocked this one before then would keep it from starting. Never rejects. */
  readonly ready: Promise<void>;
  /** From now on pings name these jobs. */
  setJobs(jobIds: readonly string[]): void;
  stop(): Promise<void>;
}

/** The thread catches what can go wrong in it, so a death is rare (memory); one that repeats is left to RunPod. */
const MAX_RESTARTS = 10;

/** As source or as built JavaScript: the thread's file is this one's neighbour and of its kind. */
const THREAD = new URL(import.meta.url.endsWith('.ts') ? './pinger-thread.ts' : './pinger-thread.js', import.meta.url);

export function startPinger(environment: WorkerEnvironment, log: Logger): Pinger {
  const { pingUrl } = environment;
  if (pingUrl === undefined) {
    log.warn('RUNPOD_WEBHOOK_PING is not set: no pings are sent.');
    return { ready: Promise.resolve(), setJobs: () => {}, stop: async () => {} };
  }
  const workerData: PingerData = { pingUrl, apiKey: environment.apiKey, intervalMs: environment.pingIntervalMs };
  let jobIds: readonly string[] = [];
  let restarts = 0;
  let stopped = false;
  let isReady = () => {};
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  let thread = start();

  function start(): Worker {
    const started = new Worker(THREAD, { workerData });
    started.on('message', (report: PingerReport) => {
      if (report.kind === 'ready') isReady();
      else if (report.kind === 'failed') log.warn({ reason: report.reason }, 'A ping failed.');
      else log.info('Pings get through again.');
    });
    started.on('error', (error) => log.error({ error }, 'The pinging thread failed.'));
    started.on('exit', () => {
      isReady();
      if (stopped) return;
      if (restarts >= MAX_RESTARTS) {
        log.fatal('The pinging thread keeps dying; RunPod will take this worker for lost.');
        return;
      }
      restarts += 1;
      thread = start();
      thread.postMessage(jobIds);
    });
    return started;
  }

  return {
    ready,
    setJobs(ids) {
      jobIds = ids;
      thread.postMessage(ids);
    },
    async stop() {
      stopped = true;
      await thread.terminate();
    },
  };
}
