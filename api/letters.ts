/** Dead letters, looked at and worked on for requests. One at a time: a letter that one request has in hand is hidden from another. */
import { randomUUID } from 'node:crypto';
import { type Action, type AuditScope, NO_HISTORY, openAudit, readHistory } from '../consumers/dead-letters/audit.ts';
import type { DeadLetter } from '../consumers/dead-letters/dead-letter.ts';
import type { LetterFilter } from '../consumers/dead-letters/filter.ts';
import type { SourceState } from '../consumers/dead-letters/letter-queue.ts';
import { type RunCounts, runLetters } from '../consumers/dead-letters/letter-run.ts';
import { createPace } from '../consumers/dead-letters/pace.ts';
import type { ApiParts, DeadLetterQueues } from './parts.ts';
import { RequestError } from './problem.ts';

/** Letters asked for at once: what the largest of the queues gives. */
const LOOK_BATCH = 100;
const WORK_BATCH = 10;
/** A request is answered within half a minute; what is not done by then is done by asking again. */
const WORK_MS = 20_000;
/** Requests that wait for their turn. */
const MAX_WAITING = 8;
/** As `millrace dead-letters` has it unless told. */
export const MAX_REPLAYS = 3;

export interface Look {
  readonly queue: string;
  readonly state: SourceState;
  readonly isFinished: boolean;
}

export interface LetterWork {
  readonly action: Extract<Action, 'replay' | 'discard'>;
  readonly filter: LetterFilter;
  readonly limit: number;
  readonly force: boolean;
  readonly dryRun: boolean;
}

export interface WorkDone {
  readonly from: string;
  readonly to: string | null;
  readonly counts: RunCounts;
  readonly notes: readonly string[];
}

export interface Letters {
  /** Changes nothing. `onLetter` answers false once it has seen enough. */
  look(filter: LetterFilter, onLetter: (letter: DeadLetter) => boolean, signal: AbortSignal): Promise<Look>;
  work(work: LetterWork, signal: AbortSignal): Promise<WorkDone>;
}

export function createLetters({ deadLetters, now }: Pick<ApiParts, 'deadLetters' | 'now'>): Letters {
  const inTurn = createTurns(MAX_WAITING);

  return {
    look: (filter, onLetter, signal) =>
      inTurn(async () => {
        const source = await required(deadLetters).openLetters();
        const enough = new AbortController();
        let isEnough = false;
        const ends = AbortSignal.any([signal, enough.signal, AbortSignal.timeout(WORK_MS)]);
        try {
          const { isFinished } = await runLetters({
            ...{ source, sink: undefined, filter, limit: Number.POSITIVE_INFINITY, maxReplays: undefined },
            ...{ force: false, keep: true, audit: undefined, history: NO_HISTORY, signal: ends },
            pace: createPace(undefined, LOOK_BATCH),
            startedAtMs: Number.POSITIVE_INFINITY,
            listener: {
              chosen({ letter }) {
                isEnough ||= !onLetter(letter);
                if (isEnough) enough.abort();
              },
            },
          });
          return { queue: source.name, state: await source.state(), isFinished: isFinished || isEnough };
        } finally {
          await source.close();
        }
      }),

    work: ({ action, filter, limit, force, dryRun }, signal) =>
      inTurn(async () => {
        const queues = required(deadLetters);
        const source = await queues.openLetters();
        const sink = action === 'replay' ? await openOr(queues, source) : undefined;
        try {
          const scope: AuditScope = { action, from: source.name, to: sink?.name ?? null };
          const history = await readHistory(queues.auditFile, scope);
          const audit = dryRun ? undefined : await openAudit({ ...scope, file: queues.auditFile, run: randomUUID(), now });
          try {
            const counts = await runLetters({
              ...{ source, sink, filter, limit, force, keep: false, audit, history },
              maxReplays: action === 'replay' ? MAX_REPLAYS : undefined,
              pace: createPace(undefined, sink?.maxBatch ?? WORK_BATCH),
              startedAtMs: now(),
              listener: {},
              signal: AbortSignal.any([signal, AbortSignal.timeout(WORK_MS)]),
            });
            const { warnings } = await source.state();
            return { from: scope.from, to: scope.to, counts, notes: [...warnings, ...(sink?.warnings ?? [])] };
          } finally {
            await audit?.close();
          }
        } finally {
          await source.close();
          await sink?.close();
        }
      }),
  };
}

async function openOr(queues: DeadLetterQueues, source: { close(): Promise<void> }) {
  try {
    return await queues.openSink();
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

function required(deadLetters: DeadLetterQueues | undefined): DeadLetterQueues {
  if (deadLetters !== undefined) return deadLetters;
  throw new RequestError('CONFIG_INVALID', 'this server knows of no dead-letter queue', {
    fix: 'Set MILLRACE_QUEUE_URL and MILLRACE_DEAD_LETTER_QUEUE_URL.',
  });
}

function createTurns(mostWaiting: number): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (work) => {
    if (waiting >= mostWaiting) {
      throw new RequestError('BUSY', 'others are at the dead letters', { headers: { 'retry-after': '5' } });
    }
    waiting += 1;
    const turn = last.then(work).finally(() => {
      waiting -= 1;
    });
    last = turn.catch(() => undefined);
    return turn;
  };
}
