/** What RunPod says of runs that have left no result yet. */
import { asMillraceError } from '../errors.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { OpenRun } from './item-story.ts';
import { reasonOf } from './stuck-endpoints.ts';

export interface AskedRun {
  readonly runId: string;
  readonly endpoint: string;
  readonly says: string;
}

/** Undefined where RunPod is not set up. Never throws: that RunPod does not answer is an answer too. */
export async function askRuns(
  openRuns: readonly OpenRun[],
  runpod: Pick<Dispatcher, 'status' | 'health'> | undefined,
  signal?: AbortSignal,
): Promise<AskedRun[]> {
  const asked: AskedRun[] = [];
  for (const { runId, endpoint } of openRuns) asked.push({ runId, endpoint, says: await ask(runpod, endpoint, runId, signal) });
  return asked;
}

async function ask(
  runpod: Pick<Dispatcher, 'status' | 'health'> | undefined,
  endpoint: string,
  runId: string,
  signal?: AbortSignal,
): Promise<string> {
  if (runpod === undefined) return 'not asked: RUNPOD_ENDPOINT and RUNPOD_API_KEY are not set';
  try {
    const status = await runpod.status(endpoint, runId, signal);
    if (status.kind === 'queued') return `queued${await whyQueued(runpod, endpoint, signal)}`;
    return status.kind === 'failed' ? `failed: ${status.error}` : status.kind;
  } catch (thrown) {
    return `could not be asked: ${asMillraceError(thrown).message}`;
  }
}

/** RunPod itself only says that a run is queued; why it still is, its workers' counts say. */
async function whyQueued(runpod: Pick<Dispatcher, 'health'>, endpoint: string, signal?: AbortSignal): Promise<string> {
  try {
    return `; ${reasonOf(await runpod.health(endpoint, signal))}`;
  } catch {
    return '';
  }
}
