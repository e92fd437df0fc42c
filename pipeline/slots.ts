/**
 * A ceiling on the runs in flight of each endpoint, and its fair sharing among jobs. A run takes a slot, an object of its own, before
 * it is asked for, and gives it back when its attempts have ended. Without a ceiling one job of thousands would fill RunPod's queue,
 * which is first come, first served, and every other job would wait behind all of it.
 *
 * No two consumers need to agree: whoever wants slots writes them first and then counts all others. Of any number of consumers the
 * last to count sees everybody's, so the ceiling is never exceeded; two that count at once may both step back, and try again.
 */

import { text } from 'node:stream/consumers';
import type { Logger } from '../log.ts';
import { parseDocument } from '../manifests/parse.ts';
import { Slot } from '../manifests/state.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { historyOf } from './history.ts';
import { type AttemptName, type Layout, parseSlotPath, parseWaitingName, type SlotName } from './layout.ts';
import { inParallel } from './parallel.ts';
import type { PlannedDispatch } from './plan-types.ts';
import type { Snapshot } from './snapshot.ts';
import { writeNote } from './waiting.ts';

export interface SlotSource {
  readonly store: ObjectStore;
  readonly layout: Layout;
  /** The most runs that one endpoint may have queued or running; 0 is no ceiling. */
  readonly maxRunsInFlight: number;
  /** A new text every time, hex or digits. */
  readonly randomId: () => string;
  readonly now: () => number;
  readonly log: Logger;
}

export interface TakenSlot extends SlotName {
  readonly key: string;
  readonly lastModifiedMs: number;
}

export interface Waiter {
  readonly job: string;
  readonly endpoint: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

const REQUESTS_AT_ONCE = 8;
/** Consumers that count at the same moment may all step back; then each asks for half of what it asked for before. */
const MAX_TRIES = 3;
/** A slot whose attempt was never claimed: its consumer died in between. Claims are begun as soon as their slots are taken. */
const UNCLAIMED_PATIENCE_MS = 3 * 60_000;

export const DEFAULT_ENDPOINT = 'default';

/** All slots that are taken, or those of one endpoint. */
export async function listSlots(
  { store, layout }: Pick<SlotSource, 'store' | 'layout'>,
  endpoint?: string,
  signal?: AbortSignal,
): Promise<TakenSlot[]> {
  const slots: TakenSlot[] = [];
  const prefix = endpoint === undefined ? layout.slotPrefix : `${layout.slotPrefix}${endpoint}/`;
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key, lastModifiedMs } of page) {
      const slot = parseSlotPath(key.slice(layout.slotPrefix.length));
      if (slot !== null) slots.push({ ...slot, key, lastModifiedMs });
    }
  }
  return slots;
}

/** All that is taken, and all who wait. */
export interface SlotCount {
  readonly slots: readonly TakenSlot[];
  readonly waiters: readonly Waiter[];
  /** How many turns to take slots this process had begun before. */
  readonly turns: number;
}

export async function countSlots(source: SlotSource, signal?: AbortSignal): Promise<SlotCount> {
  const { begun } = turnsOf(source.store);
  const [slots, waiters] = await Promise.all([listSlots(source, undefined, signal), listWaiters(source, signal)]);
  return { slots, waiters, turns: begun };
}

export function countByEndpoint(slots: readonly Pick<TakenSlot, 'endpoint'>[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { endpoint } of slots) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
  return counts;
}

/** Jobs that wait for a slot, each once an endpoint, whoever has waited longest first. */
export async function listWaiters(
  { store, layout }: Pick<SlotSource, 'store' | 'layout'>,
  signal?: AbortSignal,
): Promise<Waiter[]> {
  const prefix = `${layout.statePrefix}/waiting/`;
  const waiters = new Map<string, Waiter>();
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      const [job = '', name = ''] = key.slice(prefix.length).split('/');
      const note = parseWaitingName(name);
      if (note === null || typeof note.kind === 'string') continue;
      const waiter = { job, endpoint: note.kind.slotOf, sinceMs: note.atMs };
      const id = `${waiter.endpoint}/${job}`;
      // Notes of one job sort by time: the first is the oldest.
      if (!waiters.has(id)) waiters.set(id, waiter);
    }
  }
  return [...waiters.values()].sort((a, b) => a.sinceMs - b.sinceMs);
}

/**
 * How many more runs a job may have. While nobody else waits: whatever is free. Else what it gets where each free slot goes to whoever has
 * fewest, of itself and all that wait; so a job without any comes before one with many.
 */
export function allowance(
  ceiling: number,
  job: string,
  slots: readonly Pick<SlotName, 'job'>[],
  waiters: readonly Pick<Waiter, 'job'>[],
): number {
  const free = Math.max(0, ceiling - slots.length);
  const heldBy = new Map<string, number>();
  for (const slot of slots) heldBy.set(slot.job, (heldBy.get(slot.job) ?? 0) + 1);
  const mine = heldBy.get(job) ?? 0;
  const rivals = [...new Set(waiters.map((waiter) => waiter.job))].filter((rival) => rival !== job);
  const held = rivals.map((rival) => heldBy.get(rival) ?? 0);
  let allowed = 0;
  while (allowed < free) {
    // Before this job rises above them, all others are filled up to where it is now.
    const owed = held.reduce((sum, theirs) => sum + Math.max(0, mine + allowed - theirs), 0);
    if (allowed + 1 + owed > free) break;
    allowed += 1;
  }
  return allowed;
}

/** Jobs that wait for an endpoint, in the order of `allowance`: who has fewest slots, then who has waited longest. */
export function lineOf(endpoint: string, waiters: readonly Waiter[], slots: readonly SlotName[]): string[] {
  const held = new Map<string, number>();
  for (const slot of slots) if (slot.endpoint === endpoint) held.set(slot.job, (held.get(slot.job) ?? 0) + 1);
  const heldBy = ({ job }: Waiter): number => held.get(job) ?? 0;
  // Whoever has more than another one in the line would be allowed nothing, and the free slot would stay free.
  return waiters
    .filter((waiter) => waiter.endpoint === endpoint)
    .sort((a, b) => heldBy(a) - heldBy(b) || a.sinceMs - b.sinceMs)
    .map(({ job }) => job);
}

export interface SlottedRun {
  readonly items: readonly PlannedDispatch[];
  /** Undefined without a ceiling. */
  readonly slot: string | undefined;
}

export interface Slotted {
  readonly runs: readonly SlottedRun[];
  /** Endpoints that had fewer slots than the job has runs. */
  readonly lacking: readonly string[];
}

export const endpointOf = (run: readonly PlannedDispatch[]): string => run[0]?.graphStage.endpoint ?? DEFAULT_ENDPOINT;

/** One after the other within a process: jobs that are looked at at once would else all step back for one another. */
interface Turns {
  begun: number;
  last: Promise<unknown>;
}

const turnsByStore = new WeakMap<ObjectStore, Turns>();

function turnsOf(store: ObjectStore): Turns {
  const turns = turnsByStore.get(store) ?? { begun: 0, last: Promise.resolve() };
  turnsByStore.set(store, turns);
  return turns;
}

/** Takes slots for as many runs as may go now, in their order. */
export async function takeSlots(
  source: SlotSource,
  job: string,
  runs: readonly (readonly PlannedDispatch[])[],
  count: SlotCount,
  signal?: AbortSignal,
): Promise<Slotted> {
  const turns = turnsOf(source.store);
  // A count is as good as a new one while nobody here has taken anything since. Too old a one asks for too many, and gives them back.
  const counted = turns.begun === count.turns ? count.slots : undefined;
  turns.begun += 1;
  const turn = turns.last.then(() => takeInTurn(source, job, runs, count.waiters, counted, signal));
  turns.last = turn.catch(() => undefined);
  return turn;
}

async function takeInTurn(
  source: SlotSource,
  job: string,
  runs: readonly (readonly PlannedDispatch[])[],
  waiters: readonly Waiter[],
  counted: readonly TakenSlot[] | undefined,
  signal?: AbortSignal,
): Promise<Slotted> {
  const slotted: SlottedRun[] = [];
  const lacking: string[] = [];
  try {
    for (const endpoint of new Set(runs.map(endpointOf))) {
      const wanted = runs.filter((run) => endpointOf(run) === endpoint);
      const taken = counted?.filter((slot) => slot.endpoint === endpoint) ?? (await listSlots(source, endpoint, signal));
      const rivals = waiters.filter((waiter) => waiter.endpoint === endpoint);
      const got = await takeSome(source, job, endpoint, wanted, taken, rivals, signal);
      slotted.push(...got);
      if (got.length < wanted.length) lacking.push(endpoint);
    }
  } catch (thrown) {
    await abandon(source, slotted);
    throw thrown;
  }
  return { runs: slotted, lacking };
}

/** Of runs that nobody begins any more: taken, they would keep others out until the sweep loses patience. What cannot be deleted is left to it. */
async function abandon(source: SlotSource, runs: readonly SlottedRun[]): Promise<void> {
  await inParallel(REQUESTS_AT_ONCE, runs, async (run) => {
    await giveBack(source, run).catch((error: unknown) =>
      source.log.warn({ slot: run.slot, error }, 'a slot could not be given back; the sweep does it'),
    );
  });
}

async function takeSome(
  source: SlotSource,
  job: string,
  endpoint: string,
  wanted: readonly (readonly PlannedDispatch[])[],
  known: readonly TakenSlot[],
  waiters: readonly Waiter[],
  signal?: AbortSignal,
): Promise<SlottedRun[]> {
  let taken = known;
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const allowed = Math.min(wanted.length, allowance(source.maxRunsInFlight, job, taken, waiters));
    const asked = wanted.slice(0, Math.ceil(allowed / 2 ** (tries - 1)));
    if (asked.length === 0) return [];
    const mine = nameSlots(source, job, endpoint, asked);
    try {
      await writeSlots(source, mine);
      const keys = new Set(mine.map(({ slot }) => slot));
      taken = (await listSlots(source, endpoint, signal)).filter(({ key }) => !keys.has(key));
      const fitting = Math.min(mine.length, Math.max(0, source.maxRunsInFlight - taken.length));
      await inParallel(REQUESTS_AT_ONCE, mine.slice(fitting), ({ slot }) => source.store.delete(slot, signal));
      if (fitting > 0) return mine.slice(0, fitting);
    } catch (thrown) {
      await abandon(source, mine);
      throw thrown;
    }
  }
  return [];
}

interface NamedSlot {
  readonly items: readonly PlannedDispatch[];
  readonly slot: string;
}

function nameSlots(
  { layout, randomId }: SlotSource,
  job: string,
  endpoint: string,
  runs: readonly (readonly PlannedDispatch[])[],
): NamedSlot[] {
  return runs.flatMap((items) => {
    const [first] = items;
    return first === undefined ? [] : [{ items, slot: layout.slotKey(endpoint, job, first, randomId()) }];
  });
}

async function writeSlots(source: SlotSource, slots: readonly NamedSlot[]): Promise<void> {
  await inParallel(REQUESTS_AT_ONCE, slots, async ({ items, slot }) => {
    const body: Slot = {
      version: 1,
      attempts: items.map(({ stage, item, fingerprint, attempt }) => ({ stage, item, fingerprint, attempt })),
    };
    await source.store.put(slot, JSON.stringify(body), { contentType: 'application/json' });
  });
}

/**
 * Where a look at a job was stopped half-way: gives back the slots of runs that it never began. The note goes first: the job's own may be gone
 * already, and with neither note nor slot nobody would look at it again.
 */
export async function giveBackUnbegun(source: SlotSource, job: string, runs: readonly SlottedRun[]): Promise<void> {
  const slotted = runs.filter(({ slot }) => slot !== undefined);
  try {
    for (const endpoint of new Set(slotted.map(({ items }) => endpointOf(items)))) {
      await writeNote(source, job, source.now(), 'stopped before everything was dispatched', { slotOf: endpoint });
    }
  } catch (error) {
    source.log.warn({ job, error, slots: slotted.length }, 'slots could not be given back; the sweep does it');
    return;
  }
  await abandon(source, slotted);
}

export async function giveBack(source: SlotSource, { slot }: SlottedRun): Promise<void> {
  if (slot !== undefined) await source.store.delete(slot);
}

/** Gives back the slots of runs whose every attempt has ended, and of attempts that nobody ever claimed. Answers those given back. */
export async function releaseSlots(
  source: SlotSource,
  snapshot: Snapshot,
  slots: readonly TakenSlot[],
  signal?: AbortSignal,
): Promise<TakenSlot[]> {
  const released: TakenSlot[] = [];
  await inParallel(
    REQUESTS_AT_ONCE,
    slots.filter(({ job }) => job === snapshot.job),
    async (slot) => {
      if (!(await isOver(source, snapshot, slot, signal))) return;
      await source.store.delete(slot.key, signal);
      released.push(slot);
    },
  );
  return released;
}

async function isOver(source: SlotSource, snapshot: Snapshot, slot: TakenSlot, signal?: AbortSignal): Promise<boolean> {
  const isOld = source.now() - slot.lastModifiedMs > UNCLAIMED_PATIENCE_MS;
  // What is not claimed yet may be at any moment: an old plan's first attempt can have ended before its others are claimed.
  const isDone = (name: AttemptName) => hasEnded(snapshot, name) || (isOld && !isClaimed(snapshot, name));
  if (!isDone(slot.name)) return false;
  const found = await source.store.get(slot.key, signal === undefined ? {} : { signal });
  if (found === null) return false;
  const parsed = parseDocument(Slot, await text(found.body));
  return !parsed.ok || parsed.value.attempts.every(isDone);
}

function hasEnded(snapshot: Snapshot, name: AttemptName): boolean {
  return historyOf(snapshot, name.stage, name.item).results.some(isOf(name));
}

function isClaimed(snapshot: Snapshot, name: AttemptName): boolean {
  return historyOf(snapshot, name.stage, name.item).claims.some(isOf(name));
}

const isOf =
  ({ fingerprint, attempt }: AttemptName) =>
  (seen: { readonly fingerprint: string; readonly attempt: number }): boolean =>
    seen.fingerprint === fingerprint && seen.attempt === attempt;
