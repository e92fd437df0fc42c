/** The worker's line to RunPod: where its calls go and what they are made with. */
import type { Logger } from '../log.ts';
import { type CallOutcome, httpCall } from './http-call.ts';
import type { Pause } from './pause.ts';
import type { WorkerEnvironment } from './worker-environment.ts';

export interface WorkerLine {
  readonly environment: WorkerEnvironment;
  readonly log: Logger;
  readonly now: () => number;
  readonly random: () => number;
  readonly pause: Pause;
  readonly fetch: typeof fetch | undefined;
}

/** How long a long poll is held open from this side; RunPod's own workers do the same. */
const LONG_POLL_MS = 90_000;

export function longPoll(line: WorkerLine, url: string, signal: AbortSignal): Promise<CallOutcome> {
  const { environment, fetch, now } = line;
  return httpCall({ method: 'GET', url, authorization: environment.apiKey, timeoutMs: LONG_POLL_MS, signal, fetch, now });
}

/** A post about one job, in the form that RunPod expects: JSON text that calls itself a form. */
export function postAboutJob(
  line: WorkerLine,
  url: string,
  jobId: string,
  { body, timeoutMs, signal }: { readonly body: string; readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<CallOutcome> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-request-id': jobId };
  const { environment, fetch, now } = line;
  return httpCall({ method: 'POST', url, authorization: environment.apiKey, headers, body, timeoutMs, signal, fetch, now });
}
