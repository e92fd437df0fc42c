/** What of a job has ended, read off its plan: what webhooks tell. Pure. */

import { withoutSecrets } from '../errors.ts';
import type { WebhookEvent } from '../manifests/webhook-event.ts';
import { digestOf } from './fingerprint.ts';
import { historyOf } from './history.ts';
import type { PlannedJob } from './job-plan.ts';
import { countItems, jobState } from './job-state.ts';
import type { ItemPhase, PlannedItem, PlannedStage } from './plan-types.ts';
import { failureOf, versionId } from './snapshot.ts';

export interface End {
  readonly event: Omit<WebhookEvent, 'version' | 'id' | 'at'>;
  /** Equal for the same end however often it is looked at; another once something was changed or retried, and has ended again. */
  readonly identity: string;
}

const MAX_OUTPUTS = 50;
const MAX_ERRORS = 20;
const MAX_MESSAGE_CHARACTERS = 500;

/** An item in any other phase may still come to something. */
const ENDED: ReadonlySet<ItemPhase> = new Set(['done', 'removed', 'failed', 'cancelled']);

export function endsOf(planned: PlannedJob): End[] {
  const { stages, cancel } = planned.plan;
  const open = new Set(cancel.map(({ stage }) => stage));
  // What is still to be cancelled runs on for a while: its cancelled result brings the next look.
  const ended = stages.filter((stage) => hasEnded(stage) && !open.has(stage.name));
  const ends = ended.map((stage) => stageEnd(planned, stage));
  const whole = cancel.length === 0 ? jobEnd(planned) : null;
  return whole === null ? ends : [...ends, whole];
}

const hasEnded = ({ phase, items }: PlannedStage): boolean =>
  phase === 'active' && items.length > 0 && items.every((item) => ENDED.has(item.phase));

function stageEnd(planned: PlannedJob, stage: PlannedStage): End {
  const counts = countItems(stage);
  const state = counts.cancelled > 0 ? 'cancelled' : counts.failed > 0 ? 'failed' : 'done';
  return {
    identity: digestOf(['stage.ended', stage.name, state, ...stageIdentity(planned, stage), ...stopIdentity(planned, state)]),
    event: { event: 'stage.ended', job: planned.plan.job, stage: stage.name, state, ...details(planned, [stage]) },
  };
}

function jobEnd(planned: PlannedJob): End | null {
  const { plan } = planned;
  const state = jobState(plan);
  const on = plan.stages.filter(({ phase }) => phase !== 'off');
  if (on.length === 0 && plan.problems.length === 0) return null;
  if (state !== 'done' && state !== 'failed' && state !== 'cancelled') return null;
  const identity = on.map((stage) => digestOf([stage.name, ...stageIdentity(planned, stage)]));
  const problems = plan.problems.map(({ name }) => name);
  const { errors, ...rest } = details(planned, on);
  return {
    identity: digestOf(['job.ended', state, ...identity, ...problems, ...stopIdentity(planned, state)]),
    event: {
      event: 'job.ended',
      job: plan.job,
      state,
      ...rest,
      errors: [...problemErrors(planned), ...errors].slice(0, MAX_ERRORS),
    },
  };
}

/** A removed output was done before: that a lifecycle rule took it away is no new end. Nor is what waits behind a failure. */
function stageIdentity({ snapshot }: PlannedJob, { items }: PlannedStage): string[] {
  return items
    .filter(({ phase }) => ENDED.has(phase))
    .map(({ stage, item, phase, fingerprint, attempt }) => {
      const marks = historyOf(snapshot, stage, item).retries.filter((mark) => mark.fingerprint === fingerprint);
      const retried = Math.max(0, ...marks.map((mark) => mark.attempt));
      const end = phase === 'failed' ? `failed ${attempt}` : phase === 'removed' ? 'done' : phase;
      return `${item} ${end} ${fingerprint} ${retried}`;
    });
}

/** Cancelled, resumed and cancelled again: two ends, although nothing may have changed in between. */
function stopIdentity({ snapshot }: PlannedJob, state: WebhookEvent['state']): string[] {
  const stop = snapshot.objects.get('cancel.json');
  return state === 'cancelled' && stop !== undefined ? [`${versionId(stop)} ${stop.lastModifiedMs}`] : [];
}

/** `stages` in dependency order. */
function details(planned: PlannedJob, stages: readonly PlannedStage[]): Pick<WebhookEvent, 'counts' | 'outputs' | 'errors'> {
  const counts = { total: 0, done: 0, removed: 0, failed: 0, cancelled: 0, waiting: 0 };
  const outputs: string[] = [];
  const errors: WebhookEvent['errors'] = [];
  for (const stage of stages.toReversed()) {
    const { total, done, removed, failed, cancelled } = countItems(stage);
    counts.total += total;
    counts.done += done;
    counts.removed += removed;
    counts.failed += failed;
    counts.cancelled += cancelled;
    counts.waiting += total - done - removed - failed - cancelled;
    for (const item of stage.items) {
      if (item.phase === 'done' && outputs.length < MAX_OUTPUTS) outputs.push(planned.snapshot.folderUri + item.outputKey);
      if (item.phase === 'failed' && errors.length < MAX_ERRORS) errors.push(itemError(planned, item));
    }
  }
  return { counts, outputs, errors };
}

function itemError({ snapshot }: PlannedJob, item: PlannedItem): WebhookEvent['errors'][number] {
  const failure = failureOf(snapshot, item);
  // Without a failed result it has used up its attempts in other ways.
  const { code, message } = failure ?? { code: 'ATTEMPTS_EXHAUSTED', message: item.why };
  return { code, message: shortened(message), stage: item.stage, item: item.item };
}

function problemErrors({ plan }: PlannedJob): WebhookEvent['errors'] {
  return plan.problems.slice(0, MAX_ERRORS).map(({ code, message, keys }) => ({
    code,
    message: shortened(message),
    keys: keys.slice(0, MAX_ERRORS),
  }));
}

function shortened(message: string): string {
  const safe = withoutSecrets(message);
  return safe.length > MAX_MESSAGE_CHARACTERS ? `${safe.slice(0, MAX_MESSAGE_CHARACTERS)}…` : safe;
}
