/** `dead-letters replay` and `dead-letters discard`. */
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Config } from '../../config.ts';
import { type Action, type AuditScope, NO_HISTORY, openAudit, readHistory } from '../../consumers/dead-letters/audit.ts';
import { isOpen } from '../../consumers/dead-letters/filter.ts';
import { createGroups } from '../../consumers/dead-letters/groups.ts';
import { openLetterSink, openLetterSource } from '../../consumers/dead-letters/letter-file.ts';
import type { LetterSource } from '../../consumers/dead-letters/letter-queue.ts';
import { type RunCounts, runLetters } from '../../consumers/dead-letters/letter-run.ts';
import { createPace } from '../../consumers/dead-letters/pace.ts';
import { MillraceError } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { stopSignal } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { type FilterOptions, filterOf } from './filter-options.ts';
import { groupTable, plural, stateNotes } from './list.ts';
import { createProgress, type Progress } from './progress.ts';
import { type OpenSink, openDeadLetters, openMainQueue } from './queues.ts';
import { shown } from './shown.ts';

export interface RunOptions extends FilterOptions {
  readonly dryRun?: true;
  readonly rate?: number;
  readonly audit?: string;
  readonly json?: true;
}

export interface ReplayOptions extends RunOptions {
  readonly maxReplays: number;
  readonly force?: true;
  readonly keep?: true;
  readonly to?: string;
  readonly from?: string;
}

export interface DiscardOptions extends RunOptions {
  readonly all?: true;
}

/** Letters at once where nothing else bounds them. */
const DEFAULT_BATCH = 10;
/** Of each kind that are told one by one; the rest is counted. */
const MAX_TOLD = 10;

export async function replayLetters(config: Config, terminal: Terminal, options: ReplayOptions): Promise<void> {
  if (options.from !== undefined && options.to !== undefined) {
    throw new MillraceError('USAGE', '--from and --to exclude each other.', {
      fix: 'Copy the file, or send it with --from alone.',
    });
  }
  const [from, to] = [options.from, options.to].map((file) => (file === undefined ? undefined : resolve(file)));
  const action: Action = from !== undefined ? 'send' : to !== undefined ? 'save' : options.keep ? 'copy' : 'replay';
  const isFile = to !== undefined;
  // A dry run must not make the file.
  const sink = isFile ? (options.dryRun ? undefined : await openLetterSink(to)) : await openMainQueue(config);
  await run(config, terminal, {
    ...{ action, sink, from, to: to ?? sink?.name ?? null, options },
    keep: options.keep === true || from !== undefined,
    force: options.force === true,
    maxReplays: isFile ? undefined : options.maxReplays,
  });
}

export async function discardLetters(config: Config, terminal: Terminal, options: DiscardOptions): Promise<void> {
  if (isOpen(filterOf(options)) && !options.all) {
    throw new MillraceError('USAGE', 'discard deletes for good: nothing says which letters.', {
      fix: 'Add a filter (--job, --stage, --reason, --since, --grep, --id), or --all.',
    });
  }
  await run(config, terminal, {
    ...{ action: 'discard', sink: undefined, from: undefined, to: null, options },
    ...{ keep: false, force: false, maxReplays: undefined },
  });
}

interface Run {
  readonly action: Action;
  readonly sink: OpenSink | undefined;
  /** A file. */
  readonly from: string | undefined;
  readonly to: string | null;
  readonly keep: boolean;
  readonly force: boolean;
  readonly maxReplays: number | undefined;
  readonly options: RunOptions;
}

async function run(config: Config, terminal: Terminal, given: Run): Promise<void> {
  const { action, sink, from, to, options } = given;
  const progress = createProgress(process.stderr);
  let source: LetterSource | undefined;
  try {
    source = await openSource(config, from, options, progress);
    const scope: AuditScope = { action, from: source.name, to };
    const { counts, groups, notes } = await work(config, source, given, scope, progress);
    progress.end();
    if (options.json) terminal.print(JSON.stringify({ ...scope, dryRun: options.dryRun === true, ...counts, notes }, null, 2));
    else {
      if (options.dryRun) for (const line of groupTable(groups.list())) terminal.print(line);
      for (const line of summary(given, source.name, counts)) terminal.print(line);
      for (const note of notes) terminal.note(note);
    }
    if (!counts.isFinished) terminal.note('Stopped. The same command goes on where this one ended.');
    if (counts.failed > 0 || !counts.isFinished) process.exitCode = EXIT.failed;
  } finally {
    progress.end();
    await source?.close();
    await sink?.close();
  }
}

function openSource(config: Config, from: string | undefined, { dryRun }: RunOptions, progress: Progress) {
  if (from !== undefined) return openLetterSource(from, config.MILLRACE_PIPELINES_PREFIX);
  return openDeadLetters(config, {
    waitForHidden: dryRun !== true,
    onWaiting: (hidden, seconds) =>
      progress.note(
        `${plural(hidden, 'letter')} cannot be seen yet, most likely in the hands of a command that was killed: waiting up to ${seconds} seconds.`,
      ),
  });
}

async function work(config: Config, source: LetterSource, given: Run, scope: AuditScope, progress: Progress) {
  const { action, sink, keep, force, maxReplays, options } = given;
  const file = options.audit ?? join(config.MILLRACE_DATA, 'dead-letters', 'audit.jsonl');
  // A file of letters knows itself what it holds, and it may have been emptied since.
  const history = action === 'save' ? NO_HISTORY : await readHistory(file, scope);
  const audit = options.dryRun ? undefined : await openAudit({ ...scope, file, run: randomUUID(), now: Date.now });
  const groups = createGroups();
  const tell = telling(progress);
  let done = 0;
  try {
    const { letters: total } = await source.state();
    const counts = await runLetters({
      ...{ source, sink, keep, force, maxReplays, history, audit },
      filter: filterOf(options),
      limit: options.limit ?? Number.POSITIVE_INFINITY,
      pace: createPace(options.rate, sink?.maxBatch ?? DEFAULT_BATCH),
      startedAtMs: Date.now(),
      listener: {
        chosen: ({ letter }) => groups.add(letter, false),
        quarantined: ({ letter: { id, replays } }) =>
          tell('quarantined', `In quarantine: ${shown(id)} has been sent again ${plural(replays, 'time')} already.`),
        failed: ({ letter: { id } }, error) => tell('failed', `Failed: ${shown(id)}: ${error.message} (${error.code})`),
        progress: (counts) => {
          done = counts.done;
          progress.update(counts.seen, total);
        },
      },
      signal: stopSignal(),
    });
    const notes = [...stateNotes(await source.state()), ...(sink?.warnings ?? [])];
    return { counts, groups, notes };
  } catch (thrown) {
    if (done > 0)
      progress.note(`${plural(done, 'letter')} ${VERBS[action][0]} before this. The same command goes on where this one ended.`);
    throw thrown;
  } finally {
    await audit?.close();
  }
}

/** Only the first of each kind. */
function telling({ note }: Progress): (kind: string, line: string) => void {
  const told = new Map<string, number>();
  return (kind, line) => {
    const before = told.get(kind) ?? 0;
    told.set(kind, before + 1);
    if (before < MAX_TOLD) note(line);
    else if (before === MAX_TOLD) note(`… and more that are ${kind}; the audit names them all.`);
  };
}

const VERBS: Readonly<Record<Action, readonly [done: string, dry: string]>> = {
  replay: ['replayed', 'would be replayed'],
  copy: ['copied', 'would be copied'],
  save: ['saved', 'would be saved'],
  send: ['sent', 'would be sent'],
  discard: ['discarded', 'would be discarded'],
};

function summary({ action, to, keep, options }: Run, from: string, counts: RunCounts): string[] {
  const { done, sentAgain, sentBefore, quarantined, cameBack, failed } = counts;
  const verb = VERBS[action][options.dryRun ? 1 : 0];
  const of = (count: number, text: string) => (count === 0 ? [] : [`${count} ${text}`]);
  return [
    `${plural(done, 'letter')} ${verb} from ${from}${to === null ? '' : ` to ${to}`}`,
    ...of(sentAgain, 'of them may have been sent twice: an earlier run ended before it could say'),
    ...of(
      sentBefore,
      keep
        ? 'sent by an earlier run already: left alone (--force sends them again)'
        : 'sent by an earlier run already: only removed',
    ),
    ...of(quarantined, 'in quarantine, sent again too often: left where they are (--force sends them all the same)'),
    ...of(cameBack, 'sent again and back already: left for another run'),
    ...of(failed, 'failed: left where they are'),
  ];
}
