/** What RunPod says of runs that have left no result yet. */
import { asMillraceError } from '../errors.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { OpenRun } from './item-story.ts';

export interface AskedRun {
  readonly runId: string;
  readonly endpoint: string;
  readonly says: string;
}

/** Undefined where RunPod is not set up. Never throws: that RunPod does not answer is an answer too. */
export async function askRuns(
  openRuns: readonly OpenRun[],
  runpod: Pick<Dispatcher, 'status'> | undefined,
  signal?: AbortSignal,
): Promise<AskedRun[]> {
  const asked: AskedRun[] = [];
  for (const { runId, endpoint } of openRuns) asked.push({ runId, endpoint, says: await ask(runpod, endpoint, runId, signal) });
  return asked;
}

async function ask(
  runpod: Pick<Dispatcher, 'status'> | undefined,
  endpoint: string,
  runId: string,
  signal?: AbortSignal,
): Promise<string> {
  if (runpod === undefined) return 'not asked: RUNPOD_ENDPOINT and RUNPOD_API_KEY are not set';
  try {
    const status = await runpod.status(endpoint, runId, signal);
    return status.kind === 'failed' ? `failed: ${status.error}` : status.kind;
  } catch (thrown) {
    return `could not be asked: ${asMillraceError(thrown).message}`;
  }
}
