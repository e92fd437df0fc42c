/**
 * The thread that pings. It shares no event loop with the work: RunPod kills a worker whose ping is late, and a long
 * synchronous step in the main thread would make it so. `pinger.ts` starts it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { httpCall } from './http-call.ts';
import { pause } from './pause.ts';
import { pingUrl } from './worker-urls.ts';

export interface PingerData {
  readonly pingUrl: string;
  readonly apiKey: string;
  readonly intervalMs: number;
}

/** What the thread tells: that it runs; a ping that failed although it was repeated; the first good one after that. */
export type PingerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'recovered' };

const TRIES = 3;
const BETWEEN_TRIES_MS = 500;
/** An unanswered ping does not hold up the next one, but they must not pile up either. */
const MAX_IN_FLIGHT = 3;

const settings: PingerData = workerData;
let jobIds: readonly string[] = [];
let inFlight = 0;
let failing = false;

parentPort?.on('message', (ids: readonly string[]) => {
  jobIds = ids;
});

async function ping(): Promise<void> {
  if (inFlight >= MAX_IN_FLIGHT) return;
  inFlight += 1;
  const failure = await pingWithTries();
  inFlight -= 1;
  if (failure !== undefined) report({ kind: 'failed', reason: failure });
  else if (failing) report({ kind: 'recovered' });
  failing = failure !== undefined;
}

async function pingWithTries(): Promise<string | undefined> {
  let failure: string | undefined;
  for (let tried = 0; tried < TRIES; tried += 1) {
    if (tried > 0) await pause(Math.min(BETWEEN_TRIES_MS, settings.intervalMs) * tried);
    const outcome = await httpCall({
      method: 'GET',
      url: pingUrl(settings.pingUrl, jobIds),
      authorization: settings.apiKey,
      timeoutMs: settings.intervalMs * 2,
    });
    if (outcome.kind === 'answer' && outcome.status < 400) return undefined;
    failure = outcome.kind === 'answer' ? `RunPod answered ${outcome.status}` : outcome.reason;
  }
  return failure;
}

function report(message: PingerReport): void {
  parentPort?.postMessage(message);
}

setInterval(ping, settings.intervalMs);
report({ kind: 'ready' });
await ping();
