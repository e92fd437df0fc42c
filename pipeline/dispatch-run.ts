/** One run from claims to its record: the only place where attempts are claimed and RunPod is asked to work. */
import { asMillraceError, type MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Claim, Run } from '../manifests/state.ts';
import { untraced } from '../trace.ts';
import type { Dispatcher, DispatchOutcome } from './dispatcher.ts';
import { inParallel } from './parallel.ts';
import { type PayloadSource, type PreparedRun, prepareRun, ttlOf } from './payload.ts';
import type { PlannedDispatch } from './plan-types.ts';
import { hasResult, resultError, writeResult } from './results.ts';
import { DEFAULT_ENDPOINT } from './slots.ts';
import { writeNote } from './waiting.ts';

export interface RunDispatcher extends PayloadSource {
  readonly dispatcher: Dispatcher;
  /** Names this consumer in its claims. */
  readonly consumerId: string;
  readonly now: () => number;
  /** A new text every time, safe in a key. */
  readonly randomId: () => string;
  readonly log: Logger;
}

export type RunOutcome =
  | { readonly kind: 'dispatched'; readonly items: number }
  /** Somebody else has all of them. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'refused'; readonly notBeforeMs: number }
  | { readonly kind: 'uncertain' }
  | { readonly kind: 'failed' };

const STATE_WRITES_AT_ONCE = 8;

/** Carries out part of a plan: `items` are of one stage, at most as many as one run of it may carry. */
export async function dispatchRun(
  source: RunDispatcher,
  job: string,
  items: readonly PlannedDispatch[],
  signal?: AbortSignal,
): Promise<RunOutcome> {
  const { claim, won, prepared } = await claimItems(source, job, items, signal);
  const [first] = won;
  if (first === undefined) return { kind: 'lost' };
  const log = source.log.child({ job, stage: first.stage });
  const outcome = await callRun(source, job, first, won, prepared, signal);
  for (const { item, attempt } of won) log.debug({ item, attempt, outcome: outcome.kind }, 'run requested');
  switch (outcome.kind) {
    case 'accepted':
      await recordRun(source, job, won, claim, outcome.runId);
      log.info({ item: itemNames(won), attempt: first.attempt, runId: outcome.runId }, 'dispatched');
      return { kind: 'dispatched', items: won.length };
    case 'uncertain':
      // Posting again could make two runs. The claim stays open, and the sweep settles it.
      log.warn(
        { item: itemNames(won), attempt: first.attempt, error: outcome.error },
        'RunPod did not answer; the sweep will find out, and the rest of the job is held back',
      );
      // Without the note nobody would take up the rest: an unanswered call leaves nothing that makes an event.
      await writeNote(source, job, source.now() + FIRST_HOLD_MS, `${outcome.error.code}: ${outcome.error.message}`);
      return { kind: 'uncertain' };
    case 'refused':
      return refuse(source, job, won, outcome);
  }
}

const endpointNameOf = (item: PlannedDispatch | undefined): string => item?.graphStage.endpoint ?? DEFAULT_ENDPOINT;

const aboutItems = (job: string, items: readonly PlannedDispatch[]) => ({
  'millrace.job': job,
  'millrace.stage': items[0]?.stage,
  'millrace.items': itemNames(items),
});

const itemNames = (items: readonly PlannedDispatch[]): string => items.map(({ item }) => item).join(',');

interface Claimed {
  readonly claim: Claim;
  /** Items whose claim this consumer won, and that have no result yet. */
  readonly won: readonly PlannedDispatch[];
  /** What they are sent with; where making it fails, that is thrown when it is asked for. */
  readonly prepared: Promise<PreparedRun>;
}

function claimItems(
  source: RunDispatcher,
  job: string,
  items: readonly PlannedDispatch[],
  signal?: AbortSignal,
): Promise<Claimed> {
  return (source.trace ?? untraced).span('claim', { attributes: aboutItems(job, items) }, async (span) => {
    const claim: Claim = { version: 1, consumer: source.consumerId, claimed_at: new Date(source.now()).toISOString() };
    const mine = await createClaims(source, job, items, claim);
    const prepared = prepareRun(source, job, mine);
    prepared.catch(() => {});
    const won = await withoutEnded(source, job, mine, signal);
    span.set({ 'millrace.claimed': won.length });
    return { claim, won, prepared };
  });
}

/** Items whose claim this consumer made. */
async function createClaims(
  source: RunDispatcher,
  job: string,
  items: readonly PlannedDispatch[],
  claim: Claim,
): Promise<PlannedDispatch[]> {
  const made = new Set<PlannedDispatch>();
  await inParallel(STATE_WRITES_AT_ONCE, items, async (item) => {
    const key = source.layout.stateKey('claims', job, item);
    if (await source.store.createIfAbsent(key, JSON.stringify(claim), { contentType: 'application/json' })) made.add(item);
  });
  return items.filter((item) => made.has(item));
}

/** The plan may be old: an attempt that has ended meanwhile lost its claim to the sweep, and its result tells. */
async function withoutEnded(
  source: RunDispatcher,
  job: string,
  items: readonly PlannedDispatch[],
  signal?: AbortSignal,
): Promise<PlannedDispatch[]> {
  const ended = new Set<PlannedDispatch>();
  await inParallel(STATE_WRITES_AT_ONCE, items, async (item) => {
    if (await hasResult(source, job, item, signal)) ended.add(item);
  });
  return items.filter((item) => !ended.has(item));
}

/** In a span that the worker's own go on from: the payload carries it. */
function callRun(
  source: RunDispatcher,
  job: string,
  first: PlannedDispatch,
  won: readonly PlannedDispatch[],
  prepared: Promise<PreparedRun>,
  signal?: AbortSignal,
): Promise<DispatchOutcome> {
  const endpoint = endpointNameOf(first);
  const attributes = {
    ...{ ...aboutItems(job, won), 'millrace.attempt': first.attempt },
    ...{ 'messaging.system': 'runpod', 'messaging.operation.type': 'send', 'messaging.operation.name': 'run' },
    ...{ 'messaging.destination.name': endpoint, 'messaging.batch.message_count': won.length },
  };
  return (source.trace ?? untraced).span(`send ${endpoint}`, { kind: 'producer', attributes }, async (span) => {
    const outcome = await sendRun(source, first, won, prepared, signal);
    span.set({ 'millrace.outcome': outcome.kind });
    span.set(outcome.kind === 'accepted' ? { 'messaging.message.id': outcome.runId } : { 'error.type': outcome.error.code });
    return outcome;
  });
}

async function sendRun(
  source: RunDispatcher,
  { graphStage }: PlannedDispatch,
  won: readonly PlannedDispatch[],
  prepared: Promise<PreparedRun>,
  signal?: AbortSignal,
): Promise<DispatchOutcome> {
  const ttlSeconds = ttlOf(source, graphStage);
  try {
    return await source.dispatcher.run(
      {
        endpoint: graphStage.endpoint ?? DEFAULT_ENDPOINT,
        input: (await prepared).inputOf(won),
        executionTimeoutSeconds: Math.min(graphStage.execution_timeout_sec, ttlSeconds),
        ttlSeconds,
      },
      signal,
    );
  } catch (thrown) {
    // Thrown while the payload was made: nothing was sent.
    return { kind: 'refused', error: asMillraceError(thrown) };
  }
}

async function recordRun(
  source: RunDispatcher,
  job: string,
  items: readonly PlannedDispatch[],
  claim: Claim,
  runId: string,
): Promise<void> {
  const [first] = items;
  const run: Run = {
    version: 1,
    run_id: runId,
    endpoint: endpointNameOf(first),
    dispatched_at: new Date(source.now()).toISOString(),
    claim,
    attempts: items.map(({ item, fingerprint, attempt }) => ({ item, fingerprint, attempt })),
  };
  await inParallel(STATE_WRITES_AT_ONCE, items, async (item) => {
    await source.store.createIfAbsent(source.layout.stateKey('runs', job, item), JSON.stringify(run), {
      contentType: 'application/json',
    });
  });
}

const FIRST_HOLD_MS = 30_000;
const MAX_HOLD_MS = 15 * 60_000;
/** However long a refusal asks to wait. */
const MAX_ASKED_HOLD_MS = 60 * 60_000;

/** RunPod will never take these runs; any other refusal (the key, the store, an outage) is none of the item's doing. */
const isItemsFault = ({ code, retryable }: MillraceError): boolean =>
  code === 'RUN_TOO_LARGE' || (code === 'RUN_REFUSED' && !retryable);

/**
 * Nothing runs. The note goes first: writing `refused` wakes the job, and without the note that event would dispatch
 * again at once, and be refused again, for as long as RunPod is away.
 */
async function refuse(
  source: RunDispatcher,
  job: string,
  items: readonly PlannedDispatch[],
  { error, retryAfterMs }: Extract<DispatchOutcome, { kind: 'refused' }>,
): Promise<RunOutcome> {
  const refusals = Math.max(...items.map((item) => item.refusals));
  const nowMs = source.now();
  const log = source.log.child({ job, stage: items[0]?.stage, item: itemNames(items), attempt: items[0]?.attempt });
  if (isItemsFault(error)) {
    log.error({ error }, 'RunPod will never take this run');
    await writeAll(source, job, items, 'failed', error);
    return { kind: 'failed' };
  }
  const askedMs = Math.min(MAX_ASKED_HOLD_MS, retryAfterMs ?? 0);
  const notBeforeMs = nowMs + Math.max(askedMs, Math.min(MAX_HOLD_MS, FIRST_HOLD_MS * 2 ** Math.min(refusals, 10)));
  log.warn({ error, heldSeconds: Math.round((notBeforeMs - nowMs) / 1000) }, 'RunPod refused; the job is held back');
  await writeNote(source, job, notBeforeMs, `${error.code}: ${error.message}`);
  await writeAll(source, job, items, 'refused', error);
  return { kind: 'refused', notBeforeMs };
}

async function writeAll(
  source: RunDispatcher,
  job: string,
  items: readonly PlannedDispatch[],
  status: 'refused' | 'failed',
  error: MillraceError,
): Promise<void> {
  await inParallel(STATE_WRITES_AT_ONCE, items, (item) =>
    writeResult(source, job, item, status, source.now(), { error: resultError(error) }),
  );
}
