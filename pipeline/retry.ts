/** Asks for another attempt at items that have failed for good, whose outputs are gone, or that wait to be tried again. */
import type { Retry } from '../manifests/state.ts';
import type { AttemptName } from './layout.ts';
import { inParallel } from './parallel.ts';
import type { ItemPhase, Plan } from './plan-types.ts';
import { type WaitingSource, writeNote } from './waiting.ts';

export interface RetrySelection {
  /** All stages unless given. */
  readonly stage?: string;
  /** Items by number; all unless given. */
  readonly items?: ReadonlySet<number>;
}

const RETRIED: ReadonlySet<ItemPhase> = new Set(['failed', 'removed', 'retrying']);
const WRITES_AT_ONCE = 8;

/** The attempts up to which everything is to be forgotten, one for each item that can be retried. */
export function retriesIn({ stages }: Plan, { stage, items }: RetrySelection): AttemptName[] {
  const chosen = stages.filter(({ name }) => stage === undefined || name === stage).flatMap((planned) => planned.items);
  return chosen
    .filter(({ item, phase }) => RETRIED.has(phase) && (items === undefined || items.has(Number(item))))
    .map((one) => ({
      stage: one.stage,
      item: one.item,
      fingerprint: one.fingerprint,
      // An item that waits to be tried again names the attempt that comes next.
      attempt: one.phase === 'retrying' ? one.attempt - 1 : one.attempt,
    }));
}

/** For a stage or an item that the job does not have, and where the job is cancelled; undefined where nothing stands in the way. */
export function whyNoRetry(
  { job, stages, stopped }: Plan,
  { stage, items }: RetrySelection,
): { readonly message: string; readonly fix: string } | undefined {
  if (stopped === 'cancelled') {
    return { message: `${job} is cancelled, so nothing of it can be retried`, fix: `Run millrace resume ${job} first.` };
  }
  const chosen = stages.filter(({ name }) => stage === undefined || name === stage);
  if (chosen.length === 0) {
    return {
      message: stage === undefined ? `${job} has no stages` : `${job} has no stage ${JSON.stringify(stage)}`,
      fix: `Its stages are ${stages.map(({ name }) => name).join(', ')}.`,
    };
  }
  const known = Math.max(...chosen.map((planned) => planned.items.length));
  const missing = [...(items ?? [])].find((item) => item >= known);
  if (missing === undefined) return undefined;
  const where = stage === undefined ? job : `${stage} of ${job}`;
  const fix =
    known === 0 ? `It has none yet: millrace status ${job} says what it waits for.` : `Its items are 0 to ${known - 1}.`;
  return { message: `${where} has no item ${missing}`, fix };
}

/** Whoever asked looks at the job at once. This is for where it dies before it does. */
const NOTE_AFTER_MS = 60_000;

/** Writes the marks. Writing one twice changes nothing; looking at the job again is the caller's. */
export async function writeRetries(
  source: WaitingSource,
  job: string,
  attempts: readonly AttemptName[],
  nowMs: number,
): Promise<void> {
  const { store, layout } = source;
  // A mark makes no event, and what it marks has not failed any more: asking for a retry once again would find nothing to do.
  if (attempts.length > 0) await writeNote(source, job, nowMs + NOTE_AFTER_MS, 'somebody asked for a retry', 'retry');
  const body: Retry = { version: 1, asked_at: new Date(nowMs).toISOString() };
  await inParallel(WRITES_AT_ONCE, attempts, async (name) => {
    await store.createIfAbsent(layout.stateKey('retries', job, name), JSON.stringify(body), { contentType: 'application/json' });
  });
}
