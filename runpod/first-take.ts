/** When a cold worker's first request for a job has left: what keeps this thread busy can wait for it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { WorkerEnvironment } from './worker-environment.ts';
import { takeUrl } from './worker-urls.ts';

/** Published by the client behind `fetch` as it writes a request to its socket. */
const SENT = 'undici:client:sendHeaders';
/** A network that lets no request out for so long does not gain by more waiting. */
const LONGEST_WAIT_MS = 1_000;

/** To be called before the worker is started; `concurrency` as it is told. Never rejects. */
export async function firstTake(environment: WorkerEnvironment, concurrency: number): Promise<void> {
  const { pathname } = new URL(takeUrl(environment, { batchSize: concurrency, jobInProgress: false }));
  const { promise, resolve } = Promise.withResolvers<void>();
  const onSent = (message: unknown) => {
    const { path } = (message as { request: { path: string } }).request;
    if (path.split('?', 1)[0] === pathname) resolve();
  };
  const timer = setTimeout(resolve, LONGEST_WAIT_MS);
  subscribe(SENT, onSent);
  await promise;
  unsubscribe(SENT, onSent);
  clearTimeout(timer);
}
