/** `dead-letters list` and `dead-letters show`: they look, and change nothing. */
import type { Config } from '../../config.ts';
import { NO_HISTORY } from '../../consumers/dead-letters/audit.ts';
import { type DeadLetter, textsOf } from '../../consumers/dead-letters/dead-letter.ts';
import { createGroups, type LetterGroup } from '../../consumers/dead-letters/groups.ts';
import type { SourceState, TakenLetter } from '../../consumers/dead-letters/letter-queue.ts';
import { runLetters } from '../../consumers/dead-letters/letter-run.ts';
import { createPace } from '../../consumers/dead-letters/pace.ts';
import { EXIT } from '../exit-codes.ts';
import { stopSignal } from '../session.ts';
import { formatTable, type Terminal } from '../terminal.ts';
import { type FilterOptions, filterOf } from './filter-options.ts';
import { createProgress } from './progress.ts';
import { openDeadLetters } from './queues.ts';
import { shown, shownLines, shownTime } from './shown.ts';

export interface LookOptions extends FilterOptions {
  readonly maxReplays: number;
  readonly each?: true;
  readonly json?: true;
}

/** Letters asked for at once: what the largest of the queues gives. */
const LOOK_BATCH = 100;
/** Rows of a table that are printed; the rest is counted. */
const MAX_ROWS = 1_000;

export async function listLetters(config: Config, terminal: Terminal, options: LookOptions): Promise<void> {
  const { each, json, maxReplays } = options;
  const groups = createGroups();
  const letters: ListedLetter[] = [];
  let count = 0;
  const look = await lookAt(config, options, ({ letter }) => {
    count += 1;
    groups.add(letter, letter.replays >= maxReplays);
    if (each && (json || letters.length < MAX_ROWS)) letters.push(listed(letter, maxReplays));
  });
  const { state, isFinished } = look;
  if (json) {
    const document = { queue: look.queue, letters: count, hidden: state.hidden ?? null, warnings: state.warnings, isFinished };
    terminal.print(
      JSON.stringify({ ...document, ...(each ? { list: letters } : { groups: groups.list().map(groupDocument) }) }, null, 2),
    );
  } else {
    for (const line of each ? letterTable(letters, count) : groupTable(groups.list())) terminal.print(line);
    terminal.print(`${plural(count, 'dead letter')} in ${look.queue}`);
  }
  tell(terminal, look);
}

export async function showLetters(config: Config, terminal: Terminal, options: LookOptions): Promise<void> {
  const found: DeadLetter[] = [];
  const look = await lookAt(config, { ...options, limit: options.id?.length ?? 1 }, ({ letter }) => void found.push(letter));
  const { json, maxReplays } = options;
  const documents = found.map((letter) => wholeDocument(letter, maxReplays));
  if (json) terminal.print(JSON.stringify(documents, null, 2));
  else if (found.length > 0) terminal.print(found.map((letter) => wholeText(letter, maxReplays)).join('\n\n'));
  const missing = options.id?.filter((id) => !found.some((letter) => letter.id === id)) ?? [];
  for (const id of missing)
    terminal.note(`There is no dead letter with the id ${shown(id, MAX_ID_CHARACTERS)} in ${look.queue}.`);
  tell(terminal, look);
  if (missing.length > 0) process.exitCode = EXIT.failed;
}

interface Look {
  readonly queue: string;
  readonly state: SourceState;
  readonly isFinished: boolean;
}

async function lookAt(config: Config, options: LookOptions, onLetter: (taken: TakenLetter) => void): Promise<Look> {
  const source = await openDeadLetters(config, { waitForHidden: false });
  const progress = createProgress(process.stderr);
  try {
    const { letters: total } = await source.state();
    const { isFinished } = await runLetters({
      source,
      sink: undefined,
      filter: filterOf(options),
      limit: options.limit ?? Number.POSITIVE_INFINITY,
      maxReplays: undefined,
      force: false,
      keep: true,
      audit: undefined,
      history: NO_HISTORY,
      pace: createPace(undefined, LOOK_BATCH),
      startedAtMs: Number.POSITIVE_INFINITY,
      listener: { chosen: onLetter, progress: ({ seen }) => progress.update(seen, total) },
      signal: stopSignal(),
    });
    return { queue: source.name, state: await source.state(), isFinished };
  } finally {
    progress.end();
    await source.close();
  }
}

function tell({ note }: Terminal, { state, isFinished }: Look): void {
  for (const line of stateNotes(state)) note(line);
  if (!isFinished) note('Stopped before all letters were seen.');
}

/** What is to be known beside what was seen. */
export function stateNotes({ hidden = 0, warnings }: SourceState): string[] {
  const why = 'another command holds them, or was killed with them in hand. They come back by themselves within a minute.';
  return [...(hidden === 0 ? [] : [`${plural(hidden, 'more letter')} cannot be seen now: ${why}`]), ...warnings];
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const MAX_ID_CHARACTERS = 100;
const MAX_NAME_CHARACTERS = 60;

const GROUP_HEAD = ['LETTERS', 'REASON', 'JOB', 'STAGE', 'OLDEST', 'IN QUARANTINE', 'FOR EXAMPLE'];

export function groupTable(groups: readonly LetterGroup[]): string[] {
  return tableOf(GROUP_HEAD, groups.slice(0, MAX_ROWS).map(groupRow), groups.length);
}

function letterTable(letters: readonly ListedLetter[], count: number): string[] {
  return tableOf(LETTER_HEAD, letters.map(letterRow), count);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[], count: number): string[] {
  if (rows.length === 0) return [];
  const left = count - rows.length;
  const more = left === 0 ? [] : [`… and ${left} more: narrow them down with --job, --reason, --since or --grep.`];
  return [...formatTable([head, ...rows]), ...more];
}

function groupRow({ letters, code, job, stage, oldestMs, quarantined, example }: LetterGroup): string[] {
  const name = (text: string | null) => (text === null ? '-' : shown(text, MAX_NAME_CHARACTERS));
  return [
    `${letters}`,
    name(code),
    name(job),
    name(stage),
    shownTime(oldestMs),
    `${quarantined || '-'}`,
    shown(example, MAX_ID_CHARACTERS),
  ];
}

function groupDocument({ oldestMs, code, ...rest }: LetterGroup) {
  return { code, ...rest, oldest: oldestMs === undefined ? null : new Date(oldestMs).toISOString(), oldestMs: undefined };
}

const LETTER_HEAD = ['ID', 'SINCE', 'REASON', 'JOB', 'STAGE', 'REPLAYS', 'WHY'];

type ListedLetter = ReturnType<typeof listed>;

function listed(letter: DeadLetter, maxReplays: number) {
  const { id, code, reason, jobs, stages, replays, atMs, receiveCount } = letter;
  return { id, code, reason, jobs, stages, replays, quarantined: replays >= maxReplays, at: isoTime(atMs), receiveCount };
}

function letterRow({ id, code, reason, jobs, stages, replays, quarantined, at }: ListedLetter): string[] {
  const names = (list: readonly string[]) => (list.length === 0 ? '-' : shown(list.join(','), MAX_NAME_CHARACTERS));
  const count = quarantined ? `${replays} (quarantine)` : `${replays}`;
  const since = shownTime(at === null ? undefined : Date.parse(at));
  return [
    shown(id, MAX_ID_CHARACTERS),
    since,
    shown(code, MAX_NAME_CHARACTERS),
    names(jobs),
    names(stages),
    count,
    shown(reason, MAX_ID_CHARACTERS),
  ];
}

function wholeDocument(letter: DeadLetter, maxReplays: number) {
  return { ...listed(letter, maxReplays), attributes: letter.attributes, events: letter.events, body: letter.body };
}

const isoTime = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

function wholeText(letter: DeadLetter, maxReplays: number): string {
  const { id, code, reason, jobs, stages, replays, atMs, receiveCount, events, body } = letter;
  const facts: [string, string][] = [
    ['id', shown(id)],
    ['reason', `${shown(code)}  ${shown(reason)}`],
    ['since', `${shownTime(atMs)}${receiveCount === undefined ? '' : `, after ${plural(receiveCount, 'receive')}`}`],
    ['replays', `${replays}${replays >= maxReplays ? ' (in quarantine: only --force sends it again)' : ''}`],
    ['job', jobs.map((job) => shown(job)).join(', ') || '-'],
    ['stage', stages.map((stage) => shown(stage)).join(', ') || '-'],
    ...events.map(({ kind, source, bucket, key }): [string, string] => [
      'event',
      `${kind} (${source}) ${shown(`${bucket}/${key}`)}`,
    ]),
    ...Object.entries(textsOf(letter.attributes)).map(([name, value]): [string, string] => [
      'attribute',
      `${shown(name)} = ${shown(value)}`,
    ]),
  ];
  return [...formatTable(facts), '', shownLines(body)].join('\n');
}
