/**
 * One run over dead letters: take, choose, send, remove. A letter is removed only after its sink has it, and every step is in the
 * audit before the next one: a run that is killed anywhere loses none, and the next one goes on from there.
 */
import type { MillraceError } from '../../errors.ts';
import type { Audit, AuditLine, History } from './audit.ts';
import { type LetterFilter, matches } from './filter.ts';
import type { LetterSink, LetterSource, Outcomes, TakenLetter } from './letter-queue.ts';
import type { Pace } from './pace.ts';

export interface LetterRun {
  readonly source: LetterSource;
  /** Undefined: letters go nowhere, they are removed. */
  readonly sink: LetterSink | undefined;
  readonly filter: LetterFilter;
  /** The most letters to work on. */
  readonly limit: number;
  /** A letter that was sent again so often is in quarantine: it stays where it is. Undefined where sending is no replay. */
  readonly maxReplays: number | undefined;
  /** Sends what is in quarantine, or was sent before and kept, all the same. */
  readonly force: boolean;
  /** Leaves the letters where they are. */
  readonly keep: boolean;
  /** Undefined for a dry run: everything but sending and removing. */
  readonly audit: Audit | undefined;
  /** Of earlier runs of the same kind. */
  readonly history: History;
  readonly pace: Pace;
  /** Milliseconds since 1970. A letter that was sent again and came back after that waits for another run, or it would go round. */
  readonly startedAtMs: number;
  readonly listener: RunListener;
  /** Once aborted, the letters in hand are finished, and no more are taken. */
  readonly signal: AbortSignal;
}

export interface RunListener {
  /** Before anything is done with it. */
  chosen?(taken: TakenLetter): void;
  quarantined?(taken: TakenLetter): void;
  failed?(taken: TakenLetter, error: MillraceError): void;
  progress?(counts: Readonly<RunCounts>): void;
}

export interface RunCounts {
  /** Letters looked at. */
  seen: number;
  /** Sent, and removed unless they were to be kept; or removed, where they go nowhere; or what a dry run would have done so. */
  done: number;
  /** Of those, how many an earlier run may have sent already: nobody knows, so they were sent once more. */
  sentAgain: number;
  /** An earlier run had sent them: now they are removed, or left alone where they are to be kept. */
  sentBefore: number;
  quarantined: number;
  /** Sent again and back since this run began. */
  cameBack: number;
  failed: number;
  /** False where the run was stopped. */
  isFinished: boolean;
}

/** The source is its caller's to close. */
export async function runLetters(run: LetterRun): Promise<RunCounts> {
  const { source, signal, limit, pace } = run;
  const counts = { seen: 0, done: 0, sentAgain: 0, sentBefore: 0, quarantined: 0, cameBack: 0, failed: 0, isFinished: false };
  let room = limit;
  while (!signal.aborted && room > 0) {
    const taken = await source.take(pace.batch, signal);
    if (taken.length === 0) break;
    counts.seen += taken.length;
    room -= await workOn(run, taken, room, counts);
    run.listener.progress?.(counts);
  }
  counts.isFinished = !signal.aborted;
  return counts;
}

type Fate = 'other' | 'came back' | 'sent before' | 'quarantined' | 'to do';

function fateOf({ filter, keep, force, history, maxReplays, startedAtMs }: LetterRun, { letter, key }: TakenLetter): Fate {
  if (!matches(letter, filter)) return 'other';
  if (letter.replays > 0 && letter.atMs !== undefined && letter.atMs > startedAtMs) return 'came back';
  if (history.sent.has(key) && !(keep && force)) return 'sent before';
  return !force && maxReplays !== undefined && letter.replays >= maxReplays ? 'quarantined' : 'to do';
}

/** Those that are to be worked on, as far as there is room for them, and the rest. */
function fatesOf(run: LetterRun, taken: readonly TakenLetter[], room: number): (fate: Fate) => TakenLetter[] {
  const fates = new Map<Fate, TakenLetter[]>();
  let left = room;
  for (const each of taken) {
    const own = fateOf(run, each);
    const isWork = own === 'to do' || own === 'sent before';
    const fate = isWork && left === 0 ? 'other' : own;
    if (isWork && left > 0) left -= 1;
    fates.set(fate, [...(fates.get(fate) ?? []), each]);
  }
  return (fate) => fates.get(fate) ?? [];
}

/** Answers how many of the letters count against the limit. */
async function workOn(run: LetterRun, taken: readonly TakenLetter[], room: number, counts: RunCounts): Promise<number> {
  const { source, keep, audit, listener } = run;
  const of = fatesOf(run, taken, room);
  const [before, todo, quarantined] = [of('sent before'), of('to do'), of('quarantined')];

  await source.hold([...of('other'), ...of('came back'), ...quarantined]);
  await audit?.write(quarantined.map((each) => lineOf(each, 'quarantined', each.letter.replays)));
  for (const each of quarantined) listener.quarantined?.(each);
  counts.quarantined += quarantined.length;
  counts.cameBack += of('came back').length;

  if (!(await mayGo(run, todo.length))) {
    await source.hold([...before, ...todo]);
    return 0;
  }
  for (const each of todo) listener.chosen?.(each);
  if (audit === undefined) {
    await source.hold([...before, ...todo]);
    counts.sentBefore += before.length;
    counts.done += todo.length;
    return before.length + todo.length;
  }
  const sent = await sendAll(run, audit, todo, counts);
  if (keep) await source.hold([...before, ...sent]);
  const [beforeGone, sentGone] = keep ? [before, sent] : await removeAll(run, audit, [before, sent], counts);
  counts.sentBefore += beforeGone.length;
  counts.done += sentGone.length;
  // What goes nowhere cannot have been sent.
  if (run.sink !== undefined) counts.sentAgain += sentGone.filter(({ key }) => run.history.uncertain.has(key)).length;
  return before.length + todo.length;
}

/** False where the run was stopped while it waited for its pace. */
async function mayGo({ pace, audit, signal }: LetterRun, count: number): Promise<boolean> {
  if (count === 0 || audit === undefined) return true;
  try {
    await pace.next(count, signal);
    return true;
  } catch (thrown) {
    if (signal.aborted) return false;
    throw thrown;
  }
}

/** Answers those that the sink has now, or all where there is none. */
async function sendAll(run: LetterRun, audit: Audit, letters: readonly TakenLetter[], counts: RunCounts): Promise<TakenLetter[]> {
  const { sink, source, maxReplays } = run;
  if (letters.length === 0) return [];
  const replaysOf = ({ letter }: TakenLetter) => letter.replays + (maxReplays === undefined ? 0 : 1);
  await audit.write(letters.map((each) => lineOf(each, 'intent', replaysOf(each))));
  if (sink === undefined) return [...letters];
  const outcomes = await sink.send(letters.map((each) => ({ letter: each.letter, key: each.key, replays: replaysOf(each) })));
  const [sent, failed] = sorted(run, letters, outcomes, counts);
  await audit.write([
    ...sent.map((each) => lineOf(each, 'sent', replaysOf(each))),
    ...failed.map(({ taken, error }) => lineOf(taken, 'failed', taken.letter.replays, error)),
  ]);
  await source.hold(failed.map(({ taken }) => taken));
  return sent;
}

/** Answers those of each list that are gone now. */
async function removeAll(
  run: LetterRun,
  audit: Audit,
  [before, sent]: readonly [TakenLetter[], TakenLetter[]],
  counts: RunCounts,
): Promise<[before: TakenLetter[], sent: TakenLetter[]]> {
  const letters = [...before, ...sent];
  if (letters.length === 0) return [[], []];
  const [gone, failed] = sorted(run, letters, await run.source.remove(letters), counts);
  await audit.write([
    ...gone.map((each) => lineOf(each, 'removed', each.letter.replays)),
    ...failed.map(({ taken, error }) => lineOf(taken, 'failed', taken.letter.replays, error)),
  ]);
  await run.source.hold(failed.map(({ taken }) => taken));
  const isGone = new Set(gone);
  return [before.filter((each) => isGone.has(each)), sent.filter((each) => isGone.has(each))];
}

interface FailedLetter {
  readonly taken: TakenLetter;
  readonly error: MillraceError;
}

function sorted(
  { listener }: LetterRun,
  letters: readonly TakenLetter[],
  outcomes: Outcomes,
  counts: RunCounts,
): [well: TakenLetter[], failed: FailedLetter[]] {
  const well: TakenLetter[] = [];
  const failed: FailedLetter[] = [];
  for (const [index, taken] of letters.entries()) {
    const error = outcomes[index];
    if (error === undefined) well.push(taken);
    else failed.push({ taken, error });
  }
  for (const { taken, error } of failed) listener.failed?.(taken, error);
  counts.failed += failed.length;
  return [well, failed];
}

function lineOf({ letter, key }: TakenLetter, step: AuditLine['step'], replays: number, error?: MillraceError): AuditLine {
  const { id, code: reason, jobs, stages } = letter;
  return { step, id, key, reason, jobs, stages, replays, ...(error === undefined ? {} : { error: error.message }) };
}
