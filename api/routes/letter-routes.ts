/** Dead letters: which there are, what one holds, and what is to be done with them. */
import { z } from 'zod';
import type { DeadLetter, LetterAttributes } from '../../consumers/dead-letters/dead-letter.ts';
import type { LetterFilter } from '../../consumers/dead-letters/filter.ts';
import { createGroups } from '../../consumers/dead-letters/groups.ts';
import {
  DEFAULT_LETTERS,
  DiscardRequest,
  type Letter,
  LetterId,
  LetterList,
  LettersDone,
  LettersQuery,
  MAX_GROUPS,
  ReplayRequest,
  WholeLetter,
} from '../documents/dead-letters.ts';
import { isoTime } from '../item-view.ts';
import { createLetters, type LetterWork, MAX_REPLAYS, type WorkDone } from '../letters.ts';
import { letterHref } from '../links.ts';
import type { ApiParts } from '../parts.ts';
import { RequestError } from '../problem.ts';
import { defineRoute, type Route } from '../route.ts';

export function letterRoutes(parts: ApiParts): Route[] {
  const letters = createLetters(parts);

  const work = async (action: LetterWork['action'], request: z.infer<typeof ReplayRequest>, signal: AbortSignal) => {
    const { ids, jobs, stages, reasons, since, contains, limit = Number.POSITIVE_INFINITY } = request;
    const filter = filterOf({ ids, jobs, stages, reasons, since, contains });
    const dryRun = request.dry_run === true;
    const done = await letters.work({ action, filter, limit, force: request.force === true, dryRun }, signal);
    return { status: 200, json: workView(done, dryRun) };
  };

  return [
    defineRoute({
      method: 'get',
      path: '/api/dead-letters',
      summary: 'Dead letters by reason, job and stage, and one by one.',
      access: 'operator',
      query: LettersQuery,
      answers: { 200: { description: 'Those that fit.', schema: LetterList } },
      async handle({ query, signal }) {
        const { job: jobs, stage: stages, reason: reasons, since, contains, limit = DEFAULT_LETTERS } = query;
        const groups = createGroups();
        const list: z.infer<typeof Letter>[] = [];
        let count = 0;
        const onLetter = (letter: DeadLetter) => {
          count += 1;
          groups.add(letter, letter.replays >= MAX_REPLAYS);
          if (list.length < limit) list.push(letterView(letter));
          return true;
        };
        const { queue, state, isFinished } = await letters.look(
          filterOf({ jobs, stages, reasons, since, contains }),
          onLetter,
          signal,
        );
        return {
          status: 200,
          json: {
            queue,
            letters: count,
            hidden: state.hidden ?? null,
            finished: isFinished,
            warnings: [...state.warnings],
            groups: groups
              .list()
              .slice(0, MAX_GROUPS)
              .map(({ oldestMs, ...group }) => ({ ...group, oldest: oldestMs === undefined ? null : isoTime(oldestMs) })),
            list,
          },
        };
      },
    }),

    defineRoute({
      method: 'get',
      path: '/api/dead-letters/{id}',
      summary: 'One dead letter, whole.',
      access: 'operator',
      params: z.object({ id: LetterId }),
      answers: { 200: { description: 'The letter.', schema: WholeLetter } },
      async handle({ params: { id }, signal }) {
        let found: DeadLetter | undefined;
        const onLetter = (letter: DeadLetter) => {
          found = letter;
          return false;
        };
        const { queue, isFinished } = await letters.look({ ids: [id] }, onLetter, signal);
        if (found !== undefined) return { status: 200, json: wholeView(found) };
        const fix = isFinished
          ? undefined
          : 'Not all were looked at in the time that there is: narrow the list down by its filters.';
        throw new RequestError(
          'NOT_FOUND',
          `there is no dead letter ${JSON.stringify(id)} in ${queue}`,
          fix === undefined ? {} : { fix },
        );
      },
    }),

    defineRoute({
      method: 'post',
      path: '/api/dead-letters/replay',
      summary: 'Send dead letters to the queue again, and remove them.',
      access: 'operator',
      body: ReplayRequest,
      bodyOptional: true,
      answers: { 200: { description: 'What was done.', schema: LettersDone } },
      handle: ({ body, signal }) => work('replay', body, signal),
    }),

    defineRoute({
      method: 'post',
      path: '/api/dead-letters/discard',
      summary: 'Delete dead letters for good.',
      access: 'operator',
      body: DiscardRequest,
      answers: { 200: { description: 'What was done.', schema: LettersDone } },
      handle: ({ body, signal }) => work('discard', body, signal),
    }),
  ];
}

interface Chosen {
  readonly ids?: readonly string[] | undefined;
  readonly jobs?: readonly string[] | undefined;
  readonly stages?: readonly string[] | undefined;
  readonly reasons?: readonly string[] | undefined;
  readonly since?: string | undefined;
  readonly contains?: string | undefined;
}

function filterOf({ ids, jobs, stages, reasons, since, contains }: Chosen): LetterFilter {
  return {
    ids,
    jobs,
    stages,
    codes: reasons,
    sinceMs: since === undefined ? undefined : Date.parse(since),
    // As it is written: an expression of a stranger's could keep this program busy for hours.
    pattern: contains === undefined ? undefined : new RegExp(contains.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')),
  };
}

function letterView({ id, code, reason, jobs, stages, replays, atMs, receiveCount }: DeadLetter): z.infer<typeof Letter> {
  return {
    ...{ id, code, reason, replays },
    jobs: [...jobs],
    stages: [...stages],
    quarantined: replays >= MAX_REPLAYS,
    at: atMs === undefined ? null : isoTime(atMs),
    receive_count: receiveCount ?? null,
    links: { self: letterHref(id) },
  };
}

function wholeView(letter: DeadLetter): z.infer<typeof WholeLetter> {
  const attributes: LetterAttributes = letter.attributes;
  const events = letter.events.map(({ kind, source, bucket, key }) => ({ kind, source, bucket, key }));
  return { ...letterView(letter), body: letter.body, attributes: { ...attributes }, events };
}

function workView({ from, to, counts, notes }: WorkDone, dryRun: boolean): z.infer<typeof LettersDone> {
  return {
    from,
    to,
    dry_run: dryRun,
    seen: counts.seen,
    done: counts.done,
    sent_again: counts.sentAgain,
    sent_before: counts.sentBefore,
    quarantined: counts.quarantined,
    came_back: counts.cameBack,
    failed: counts.failed,
    finished: counts.isFinished,
    notes: [...notes],
  };
}
