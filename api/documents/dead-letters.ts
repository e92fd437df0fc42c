/** Dead letters: what no consumer could settle, and what is to be done with them. */
import { z } from 'zod';
import { JobId } from '../../manifests/job-key.ts';
import { Time } from './jobs.ts';
import { commaList, wholeNumber } from './query.ts';

export const DEFAULT_LETTERS = 50;
export const MAX_LETTERS = 500;
export const MAX_GROUPS = 500;
const MAX_OF_A_KIND = 100;

export const LetterId = z.string().regex(/^[\x21-\x7e]{1,200}$/, { error: 'expected the id of a message' });
const Name = z.string().regex(/^[\w.-]{1,128}$/, { error: 'expected a name' });
const Text = z.string().min(1).max(200);

/** Kinds that are given must all fit; of one kind, one value. */
export const LettersQuery = z.object({
  job: commaList(JobId, MAX_OF_A_KIND).optional().describe('Letters with an event of one of these jobs.'),
  stage: commaList(Name, MAX_OF_A_KIND).optional().describe('About a key of one of these stages; inputs and exports count.'),
  reason: commaList(Name, MAX_OF_A_KIND).optional().describe('With one of these codes.'),
  since: z.iso.datetime().optional().describe('Dead-lettered then or later.'),
  contains: Text.optional().describe('With this text in their body, attributes or reason.'),
  limit: wholeNumber(0, MAX_LETTERS)
    .optional()
    .describe(`At most so many in list; ${DEFAULT_LETTERS} unless given. Groups count all.`),
});

export const Letter = z
  .object({
    id: z.string(),
    code: z.string().describe('An error code, or MAX_RECEIVES.'),
    reason: z.string(),
    jobs: z.array(z.string()),
    stages: z.array(z.string()),
    replays: z.int(),
    quarantined: z.boolean().describe('Sent again too often already; only force sends it once more.'),
    at: Time.nullable(),
    receive_count: z.int().nullable(),
    links: z.object({ self: z.string() }),
  })
  .meta({ id: 'DeadLetter' });

export const LetterGroup = z.object({
  code: z.string(),
  reason: z.string().describe('Of the first letter of the group.'),
  job: z.string().nullable().describe('null: none is named; several: each names more than one.'),
  stage: z.string().nullable(),
  letters: z.int(),
  quarantined: z.int(),
  oldest: Time.nullable(),
  example: z.string().describe('The id of the first.'),
});

export const LetterList = z
  .object({
    queue: z.string(),
    letters: z.int().describe('That fit.'),
    hidden: z.int().nullable().describe('More that somebody else holds at this moment; null where the queue does not say.'),
    finished: z.boolean().describe('False where not all were looked at in the time that there is.'),
    warnings: z.array(z.string()),
    groups: z.array(LetterGroup).describe('By reason, job and stage; the largest first; at most 500.'),
    list: z.array(Letter),
  })
  .meta({ id: 'DeadLetterList' });

export const WholeLetter = Letter.extend({
  body: z.string(),
  attributes: z.record(z.string(), z.unknown()),
  events: z.array(z.object({ kind: z.string(), source: z.string(), bucket: z.string(), key: z.string() })),
}).meta({ id: 'WholeDeadLetter' });

const chosen = {
  ids: z.array(LetterId).min(1).max(MAX_LETTERS).optional(),
  jobs: z.array(JobId).min(1).max(MAX_OF_A_KIND).optional(),
  stages: z.array(Name).min(1).max(MAX_OF_A_KIND).optional(),
  reasons: z.array(Name).min(1).max(MAX_OF_A_KIND).optional(),
  since: z.iso.datetime().optional(),
  contains: Text.optional(),
  limit: z.int().min(1).max(100_000).optional().describe('No more than so many.'),
  dry_run: z.boolean().optional().describe('Only say how many.'),
};
const CHOICES = ['ids', 'jobs', 'stages', 'reasons', 'since', 'contains'] as const;

export const ReplayRequest = z
  .strictObject({
    ...chosen,
    force: z.boolean().optional().describe('Also those in quarantine.'),
  })
  .meta({ id: 'ReplayRequest', examples: [{ reasons: ['MAX_RECEIVES'], jobs: ['talk-1'] }] });
export type ReplayRequest = z.infer<typeof ReplayRequest>;

export const DiscardRequest = z
  .strictObject({ ...chosen, all: z.literal(true).optional().describe('All of them: needed where nothing else chooses.') })
  .superRefine((request, context) => {
    if (request.all === true || CHOICES.some((name) => request[name] !== undefined)) return;
    const message = `expected true, because nothing chooses which letters (${CHOICES.join(', ')})`;
    context.addIssue({ code: 'custom', path: ['all'], message, params: { found: 'nothing' } });
  })
  .meta({ id: 'DiscardRequest', examples: [{ ids: ['7a1c…'] }] });
export type DiscardRequest = z.infer<typeof DiscardRequest>;

export const LettersDone = z
  .object({
    from: z.string(),
    to: z.string().nullable(),
    dry_run: z.boolean(),
    seen: z.int(),
    done: z.int().describe('Sent and removed, or discarded.'),
    sent_again: z.int().describe('Of them, how many an earlier run may have sent already.'),
    sent_before: z.int().describe('Sent by an earlier run: now they are removed.'),
    quarantined: z.int().describe('Left where they are: sent again too often.'),
    came_back: z.int().describe('Sent again and back already: left for another request.'),
    failed: z.int(),
    finished: z.boolean().describe('False: ask again, and it goes on.'),
    notes: z.array(z.string()),
  })
  .meta({ id: 'LettersDone' });
