import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { Problem } from '../../../manifests/problem.ts';
import { WebhookAttempt, WebhookEvent } from '../../../manifests/webhook-event.ts';
import { jobsChangedSince } from '../../../pipeline/audit.ts';
import { planJob } from '../../../pipeline/job-plan.ts';
import { reconcile } from '../../../pipeline/reconcile.ts';
import { sweep } from '../../../pipeline/sweep.ts';
import { MAX_WEBHOOK_ATTEMPTS, WEBHOOK_CLAIM_PATIENCE_MS } from '../../../pipeline/webhook-schedule.ts';
import { secretOfJob, webhookHeaders } from '../../../pipeline/webhook-signature.ts';
import { replayWebhook, tellEnds } from '../../../pipeline/webhooks.ts';
import type { PostOutcome, PostRequest } from '../../../storage/guarded-post.ts';
import { itemsOf } from '../../simulation/run-input.ts';
import { createInMemory, type InMemory, lastItems, layout } from './consumer-in-memory.ts';
import { graphOf, itemOf } from './job-builder.ts';

const URL_OF_OPERATOR = 'https://hooks.example.com/path-token?query-token';
const URL_OF_JOB = 'https://job.example.com/told';
const SECRET = Buffer.alloc(32, 1);
const SECOND_MS = 1_000;

type Source = InMemory['source'];

interface Told {
  readonly world: InMemory;
  readonly source: Source;
  readonly posts: PostRequest[];
  /** What the receiver answers, 200 unless told. */
  answer: (request: PostRequest) => PostOutcome | Promise<PostOutcome>;
  /** Another consumer with the same receivers. */
  another(): Source;
  look(source?: Source): ReturnType<typeof reconcile>;
  events(): WebhookEvent[];
  attempts(): WebhookAttempt[];
  /** `delivered`, `failed`, … of every attempt that was written down, in order. */
  outcomes(): string[];
}

const answered = (status: number, retryAfterMs?: number): PostOutcome => ({
  kind: 'answered',
  status,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

/** Two stages, `first` with two items and `second` behind both; the operator is told of the job's end. */
function telling(events: readonly string[] = ['job.ended'], operator = true): Told {
  const graph = graphOf({
    first: {
      manifest: { keys: ['m.json'], type: 'json' },
      for_each: '${manifest.list}',
      task: 'DOWNSAMPLING',
      parameters: { height: '${item}' },
      output: 'first-${index}.mp4',
    },
    second: { inputs: { films: { stage: 'first' } }, task: 'DOWNSAMPLING', output: 'second.mp4' },
  });
  const world = createInMemory(graph);
  const posts: PostRequest[] = [];
  const webhooks = {
    operator: operator ? { url: URL_OF_OPERATOR, events } : null,
    secrets: [SECRET],
    post: async (request: PostRequest) => {
      posts.push(request);
      return self.answer(request);
    },
  };
  const withWebhooks = (source: Source): Source => {
    const whole: Source = { ...source, webhooks, wake: async (job) => void (await reconcile(whole, job)) };
    return whole;
  };
  const source = withWebhooks(world.source);
  const self: Told = {
    ...{ world, source, posts },
    answer: () => answered(200),
    another: () => withWebhooks(world.another()),
    look: (from = source) => reconcile(from, 'job'),
    events: () => posts.map(({ body }) => WebhookEvent.parse(JSON.parse(Buffer.from(body).toString()))),
    attempts: () =>
      world
        .keys('pipelines/job/webhooks/')
        .map((key) => WebhookAttempt.parse(JSON.parse(world.bucket.text(key) ?? '')))
        .sort((a, b) => a.attempt - b.attempt),
    outcomes: () => self.attempts().map(({ outcome }) => outcome),
  };
  return self;
}

/** Runs everything that is asked for from now on to its good end. */
async function finish(told: Told): Promise<void> {
  for (let looks = 0; looks < 10; looks += 1) {
    const before = told.world.runs.length;
    await told.look();
    const asked = told.world.runs.slice(before);
    if (asked.length === 0) return;
    for (const { input } of asked) for (const item of itemsOf(input)) told.world.finish(item);
    told.world.clockMs += SECOND_MS;
  }
  throw new Error('the job does not end');
}

async function finished(events?: readonly string[]): Promise<Told> {
  const told = telling(events);
  told.world.put('m.json', { list: [180, 360] });
  await finish(told);
  return told;
}

const notes = ({ world }: Told): number[] =>
  world.keys('pipelines-state/waiting/job/').map((key) => Number(/\/(\d{14})-retry/.exec(key)?.[1]) - world.clockMs);

describe('the end of a job', () => {
  test('is told once, signed, with what became of it', async () => {
    const told = await finished();
    expect(told.events()).toEqual([
      {
        ...{ version: 1, id: expect.stringMatching(/^[0-9a-f]{32}$/), event: 'job.ended', job: 'job', state: 'done' },
        counts: { total: 3, done: 3, removed: 0, failed: 0, cancelled: 0, waiting: 0 },
        outputs: ['second.mp4', 'first-0.mp4', 'first-1.mp4'].map((key) => `s3://videos/pipelines/job/${key}`),
        errors: [],
        at: expect.stringMatching(/Z$/),
      },
    ]);
    const [post] = told.posts;
    if (post === undefined) throw new Error('nothing was posted');
    expect(post.url).toBe(URL_OF_OPERATOR);
    const sentAtMs = Date.parse(told.attempts()[0]?.sent_at ?? '');
    expect(post.headers).toEqual(webhookHeaders([SECRET], told.events()[0]?.id ?? '', sentAtMs, post.body));
  });

  test('is kept with its outcome, and without what may be secret', async () => {
    const told = await finished();
    expect(told.attempts()).toMatchObject([
      { attempt: 1, outcome: 'delivered', status_code: 200, receiver: 'operator', origin: 'https://hooks.example.com' },
    ]);
    const stored = [...told.world.bucket.objects.values()].map(({ bytes }) => bytes.toString()).join('\n');
    for (const secret of ['path-token', 'query-token', SECRET.toString('base64'), SECRET.toString('hex')]) {
      expect(stored).not.toContain(secret);
      expect(told.world.log.join('\n')).not.toContain(secret);
    }
  });

  test('is not told again by looking again: nothing is sent, and nothing written', async () => {
    const told = await finished();
    const writes = told.world.writes();
    for (let looks = 0; looks < 3; looks += 1) await told.look();
    await told.look(told.another());
    expect(told.posts).toHaveLength(1);
    expect(told.world.writes()).toBe(writes);
  });

  test('is told by one of many consumers that see it at the same moment', async () => {
    const told = telling();
    told.world.put('m.json', { list: [180] });
    told.world.put('first-0.mp4', 'by hand');
    told.world.put('second.mp4', 'by hand');
    await Promise.all(Array.from({ length: 12 }, () => told.look(told.another())));
    expect(told.posts).toHaveLength(1);
    expect(told.outcomes()).toEqual(['delivered']);
  });

  test('is told again, with another id, once the manifest has changed and all of it has ended again', async () => {
    const told = await finished();
    told.world.put('m.json', { list: [180, 720] });
    await told.look();
    expect(told.posts, 'nothing while it works').toHaveLength(1);
    for (const item of lastItems(told.world)) told.world.finish(item);
    await finish(told);
    expect(new Set(told.events().map(({ id }) => id)).size).toBe(2);
    expect(told.events().map(({ state }) => state)).toEqual(['done', 'done']);
  });

  test('is not told again when a lifecycle rule takes an output away', async () => {
    const told = await finished();
    told.world.bucket.delete('pipelines/job/second.mp4');
    await told.look();
    expect(told.posts).toHaveLength(1);
  });

  test('is told again when a retry has made again what was removed', async () => {
    const told = await finished();
    told.world.bucket.delete('pipelines/job/second.mp4');
    const { item, fingerprint } = itemOf((await planJob(told.source, 'job')).plan, 'second');
    told.world.bucket.put(layout.stateKey('retries', 'job', { stage: 'second', item, fingerprint, attempt: 1 }), '{}');
    await finish(told);
    expect(told.events().map(({ state }) => state)).toEqual(['done', 'done']);
  });

  test('is told with the code and message of what failed, without the query of a URL in it, and again after a retry', async () => {
    const told = telling();
    told.world.put('m.json', { list: [180] });
    await told.look();
    const error = { code: 'INPUT_INVALID', message: 'https://media.example.com/a?token=x is no film', retryable: false };
    const [item] = lastItems(told.world);
    if (item === undefined) throw new Error('nothing was dispatched');
    told.world.finish(item, 'failed', error);
    await told.look();
    expect(told.events()).toMatchObject([
      {
        state: 'failed',
        counts: { total: 2, failed: 1, waiting: 1 },
        errors: [{ code: 'INPUT_INVALID', message: 'https://media.example.com/a?… is no film', stage: 'first', item: '0' }],
      },
    ]);
    const { fingerprint } = item.millrace;
    told.world.bucket.put(layout.stateKey('retries', 'job', { stage: 'first', item: '0', fingerprint, attempt: 1 }), '{}');
    await told.look();
    for (const again of lastItems(told.world)) told.world.finish(again, 'failed', error);
    await told.look();
    expect(told.events().map(({ state }) => state)).toEqual(['failed', 'failed']);
    expect(new Set(told.events().map(({ id }) => id)).size).toBe(2);
  });

  test('is told with the problem that stands in its way', async () => {
    const told = telling();
    told.world.put('m.json', '[not json');
    await told.look();
    expect(told.events()).toMatchObject([
      { state: 'failed', counts: { total: 1, waiting: 1 }, errors: [{ code: 'MANIFEST_NOT_JSON', keys: ['m.json'] }] },
    ]);
  });

  test('is told as cancelled once nothing runs any more; resumed and cancelled again, it is told again', async () => {
    const told = telling();
    told.world.put('m.json', { list: [180] });
    await told.look();
    const stop = async () => {
      told.world.clockMs += SECOND_MS;
      told.world.put('cancel.json', {});
      await told.look();
      await told.look();
    };
    told.world.put('cancel.json', {});
    await told.look();
    expect(told.posts, 'its run is only being cancelled').toHaveLength(0);
    await told.look();
    expect(told.events()).toMatchObject([{ state: 'cancelled', counts: { total: 2, cancelled: 2 } }]);
    told.world.bucket.delete('pipelines/job/cancel.json');
    await told.look();
    await stop();
    expect(told.events().map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
    expect(new Set(told.events().map(({ id }) => id)).size).toBe(2);
  });

  test.each<[string, (world: InMemory) => void]>([
    ['is empty', () => {}],
    ['has a cancel.json and nothing else', (world) => world.put('cancel.json', {})],
    ['works', (world) => world.put('m.json', { list: [1] })],
    [
      'is held back',
      (world) => {
        world.put('m.json', { list: [1] });
        world.bucket.put(layout.waitingKey('job', world.clockMs + 60_000, '1'), '{}');
      },
    ],
  ])('is not told of a job that %s', async (_, prepare) => {
    const told = telling(['job.ended', 'stage.ended']);
    prepare(told.world);
    await told.look();
    expect(told.posts).toEqual([]);
  });
});

test('the end of each stage is told when the stage ends, whatever the rest of the job does', async () => {
  const told = await finished(['stage.ended']);
  expect(told.events()).toMatchObject([
    { event: 'stage.ended', stage: 'first', state: 'done', counts: { total: 2, done: 2 } },
    { event: 'stage.ended', stage: 'second', state: 'done', outputs: ['s3://videos/pipelines/job/second.mp4'] },
  ]);
  told.world.put('cancel.json', {});
  await told.look();
  expect(told.posts, 'what was done is not cancelled').toHaveLength(2);
});

describe('a receiver that fails', () => {
  test('is called again with growing delay, the same id and the same body, until it takes it', async () => {
    const told = telling();
    told.answer = () => answered(told.posts.length < 3 ? 503 : 204);
    told.world.put('m.json', { list: [180] });
    await finish(told);
    expect(notes(told)).toEqual([10 * SECOND_MS]);
    told.world.clockMs += 9 * SECOND_MS;
    expect(await told.look()).toMatchObject({ retryAtMs: told.world.clockMs + SECOND_MS });
    expect(told.posts, 'not before its time').toHaveLength(1);
    told.world.clockMs += SECOND_MS;
    await told.look();
    expect(notes(told)).toContain(20 * SECOND_MS);
    told.world.clockMs += 20 * SECOND_MS;
    await told.look();
    expect(told.outcomes()).toEqual(['failed', 'failed', 'delivered']);
    expect(new Set(told.posts.map(({ body }) => Buffer.from(body).toString())).size).toBe(1);
    expect(new Set(told.posts.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3);
    expect(told.attempts()[0]).toMatchObject({
      status_code: 503,
      error: { code: 'WEBHOOK_FAILED', message: 'https://hooks.example.com answered 503' },
    });
  });

  test('is called again by the sweep alone', async () => {
    const told = telling();
    told.answer = () => answered(told.posts.length < 2 ? 500 : 200);
    told.world.put('m.json', { list: [180] });
    await finish(told);
    told.world.clockMs += 60 * SECOND_MS;
    await sweep(told.source);
    expect(told.outcomes()).toEqual(['failed', 'delivered']);
    expect(notes(told)).toEqual([]);
  });

  test('is not called before the time that it asks for', async () => {
    const told = telling();
    told.answer = () => answered(429, 90 * SECOND_MS);
    told.world.put('m.json', { list: [180] });
    await finish(told);
    expect(notes(told)).toEqual([90 * SECOND_MS]);
  });

  test('is given up after the last attempt, and nothing goes on', async () => {
    const told = telling();
    told.answer = () => ({ kind: 'unreachable', error: new MillraceError('DESTINATION_UNREACHABLE', 'nobody there') });
    told.world.put('m.json', { list: [180] });
    await finish(told);
    for (let looks = 0; looks < MAX_WEBHOOK_ATTEMPTS + 3; looks += 1) {
      told.world.clockMs += 3 * 60 * 60_000;
      await told.look();
    }
    expect(told.posts).toHaveLength(MAX_WEBHOOK_ATTEMPTS);
    expect(told.attempts().at(-1)).toMatchObject({ outcome: 'failed', error: { message: 'nobody there' } });
    expect(told.attempts().at(-1)).not.toHaveProperty('retry_at');
    expect(await told.look()).toMatchObject({ retryAtMs: null });
  });

  test.each<[string, PostOutcome, object]>([
    ['answers 404', answered(404), { status_code: 404, error: { code: 'WEBHOOK_REFUSED' } }],
    ['redirects', answered(302), { status_code: 302, error: { code: 'WEBHOOK_REFUSED' } }],
    [
      'is refused by the guard',
      { kind: 'refused', error: new MillraceError('SOURCE_REFUSED', 'inside.example is refused: it is a private address') },
      { error: { code: 'WEBHOOK_REFUSED', message: 'inside.example is refused: it is a private address' } },
    ],
  ])('and %s is not called again', async (_, outcome, kept) => {
    const told = telling();
    told.answer = () => outcome;
    told.world.put('m.json', { list: [180] });
    await finish(told);
    told.world.clockMs += 24 * 60 * 60_000;
    await told.look();
    expect(told.posts).toHaveLength(1);
    expect(told.attempts()).toMatchObject([{ outcome: 'refused', ...kept }]);
    expect(notes(told)).toEqual([]);
  });

  test('is still told of an end that the job has gone on from', async () => {
    const told = telling();
    told.answer = () => answered(told.posts.length < 2 ? 503 : 200);
    told.world.put('m.json', { list: [180] });
    await finish(told);
    told.world.put('m.json', { list: [720] });
    told.world.clockMs += 10 * SECOND_MS;
    await told.look();
    expect(told.outcomes()).toEqual(['failed', 'delivered']);
    expect(new Set(told.events().map(({ id }) => id)).size).toBe(1);
  });
});

test('a consumer that dies after its claim loses nothing: its attempt counts as failed, and the next is made', async () => {
  const told = telling();
  told.answer = () => {
    throw new Error('the process ends here');
  };
  told.world.put('m.json', { list: [180] });
  await expect(finish(told)).rejects.toThrow('the process ends here');
  expect(told.outcomes()).toEqual([]);
  told.answer = () => answered(200);
  await told.look();
  expect(told.posts, 'it may still be at work').toHaveLength(1);
  expect(notes(told)).toEqual([WEBHOOK_CLAIM_PATIENCE_MS]);
  told.world.clockMs += WEBHOOK_CLAIM_PATIENCE_MS;
  await told.look();
  expect(told.outcomes()).toEqual(['failed', 'delivered']);
  expect(told.attempts()[0]?.error?.message).toMatch(/the consumer .* has gone/);
  expect(new Set(told.events().map(({ id }) => id)).size).toBe(1);
});

test('a consumer that was held up for an hour after its look does no harm', async () => {
  const told = telling();
  told.world.put('m.json', { list: [180] });
  for (let step = 0; step < 2; step += 1) {
    await told.look();
    for (const item of lastItems(told.world)) told.world.finish(item);
  }
  const old = await planJob(told.source, 'job');
  await told.look(told.another());
  told.world.clockMs += 60 * 60 * SECOND_MS;
  expect(await tellEnds(told.source, old)).toBeNull();
  expect(told.posts).toHaveLength(1);
});

test('how webhooks went is no change of a job for the audit', async () => {
  const told = await finished();
  told.world.put('webhooks/abc.1.delivered.json', {});
  const sinceMs = told.world.clockMs;
  expect(await jobsChangedSince(told.source, sinceMs)).toEqual([]);
  told.world.put('inputs/new', 'x');
  expect(await jobsChangedSince(told.source, sinceMs)).toEqual(['job']);
});

test('an end whose event was lost is told by the sweep', async () => {
  const told = telling();
  told.world.put('m.json', { list: [180] });
  for (let step = 0; step < 2; step += 1) {
    await told.look();
    for (const item of lastItems(told.world)) told.world.finish(item);
  }
  expect(told.posts).toEqual([]);
  await sweep(told.source);
  expect(told.outcomes()).toEqual(['delivered']);
});

describe("a job's own webhooks.json", () => {
  const own = { version: 1, url: URL_OF_JOB };

  async function finishedWith(webhooks: unknown, told = telling(['job.ended'], false)): Promise<Told> {
    told.world.put('webhooks.json', webhooks);
    told.world.put('m.json', { list: [180] });
    await finish(told);
    return told;
  }

  test("is told of the job's end, signed with a secret of that job", async () => {
    const told = await finishedWith(own);
    expect(told.posts.map(({ url }) => url)).toEqual([URL_OF_JOB]);
    const [post] = told.posts;
    const [event] = told.events();
    const sentAtMs = Date.parse(told.attempts()[0]?.sent_at ?? '');
    const expected = webhookHeaders([secretOfJob(SECRET, 'job')], event?.id ?? '', sentAtMs, post?.body ?? Buffer.alloc(0));
    expect(post?.headers).toEqual(expected);
  });

  test('is told beside the operator, under ids of its own, and of the events that it names', async () => {
    const told = await finishedWith({ ...own, events: ['stage.ended'] }, telling());
    const calls = told.posts.map(({ url }, index) => [new URL(url).host, told.events()[index]?.event]);
    expect(calls.toSorted()).toEqual([
      ['hooks.example.com', 'job.ended'],
      ['job.example.com', 'stage.ended'],
      ['job.example.com', 'stage.ended'],
    ]);
    expect(new Set(told.events().map(({ id }) => id)).size).toBe(3);
  });

  test('that names another URL is told there', async () => {
    const told = telling(['job.ended'], false);
    told.answer = ({ url }) => answered(url === URL_OF_JOB ? 503 : 200);
    await finishedWith(own, told);
    told.world.put('webhooks.json', { ...own, url: 'https://other.example.com/' });
    await told.look();
    told.world.clockMs += 10 * SECOND_MS;
    await told.look();
    expect(told.posts.map(({ url }) => url)).toEqual([URL_OF_JOB, 'https://other.example.com/']);
    const gone = told.attempts().filter(({ origin }) => origin === 'https://job.example.com');
    expect(gone.map(({ outcome }) => outcome)).toEqual(['failed', 'refused']);
  });

  test('that is wrong is a problem, and stops nothing else', async () => {
    const told = await finishedWith({ version: 1, url: 'hooks.example.com', event: ['job.ended'] });
    expect(told.posts).toEqual([]);
    expect(told.world.runs).toHaveLength(2);
    const [key = ''] = told.world.keys('pipelines/job/problems/webhooks.json.');
    const problem = Problem.parse(JSON.parse(told.world.bucket.text(key) ?? ''));
    expect(problem).toMatchObject({ code: 'MANIFEST_INVALID', keys: ['webhooks.json'] });
    expect(problem.errors.map(({ text }) => text)).toEqual([
      'url: expected an http(s) URL without a user name or password, found "hooks.example.com"',
      'event: expected no field of this name (did you mean "events"?), found an array of 1 entry',
    ]);
  });

  test('is a problem, and sends nothing unsigned, where there is no secret', async () => {
    const told = telling();
    told.world.put('webhooks.json', own);
    told.world.put('m.json', { list: [180] });
    await told.world.reconcile();
    const [key = '', ...more] = told.world.keys('pipelines/job/problems/');
    expect(more).toEqual([]);
    expect(JSON.parse(told.world.bucket.text(key) ?? '')).toMatchObject({
      code: 'WEBHOOKS_DISABLED',
      fix: expect.stringContaining('MILLRACE_WEBHOOK_SECRET'),
    });
    expect(await told.world.reconcile()).toMatchObject({ problems: 0 });
    expect(told.world.runs).toHaveLength(1);
  });

  test('is a problem where the operator does not allow it, and what was failing is given up', async () => {
    const told = telling(['job.ended'], false);
    told.answer = () => answered(503);
    await finishedWith(own, told);
    told.world.clockMs += 60 * SECOND_MS;
    const strict: Source = { ...told.source, settings: { ...told.source.settings, jobWebhooks: false } };
    await told.look(strict);
    expect(told.posts).toHaveLength(1);
    expect(told.outcomes()).toEqual(['failed', 'refused']);
    expect(told.world.keys('pipelines/job/problems/webhooks.json.')).toHaveLength(1);
  });
});

describe('what a job writes into its own webhooks/', () => {
  test('is never sent: only what a consumer put into the state is', async () => {
    const told = telling();
    told.answer = () => answered(503);
    told.world.put('m.json', { list: [180] });
    await finish(told);
    const [attempt] = told.attempts();
    if (attempt === undefined) throw new Error('nothing was attempted');
    const forged = {
      ...attempt,
      retry_at: '2000-01-01T00:00:00.000Z',
      event: { ...attempt.event, job: 'another', state: 'failed' },
    };
    told.world.put(`webhooks/${attempt.id}.1.failed.json`, forged);
    told.world.put('webhooks/0123456789abcdef.1.failed.json', { ...forged, id: '0123456789abcdef' });
    await told.look();
    expect(told.events().map(({ job, state }) => [job, state])).toEqual([
      ['job', 'done'],
      ['job', 'done'],
    ]);
  });
});

describe('a replay', () => {
  const planOf = async ({ source }: Told) => (await planJob(source, 'job')).plan;

  test('sends the same body under the same id as a new attempt, also where it was delivered', async () => {
    const told = await finished();
    const [first] = told.events();
    told.world.clockMs += 60 * SECOND_MS;
    const attempt = await replayWebhook(told.source, await planOf(told), first?.id ?? '');
    expect(attempt).toMatchObject({ attempt: 2, outcome: 'delivered' });
    expect(told.events()).toEqual([first, first]);
    expect(told.outcomes()).toEqual(['delivered', 'delivered']);
  });

  test('ends the tries of the consumers where it is delivered', async () => {
    const told = telling();
    told.answer = () => answered(404);
    told.world.put('m.json', { list: [180] });
    await finish(told);
    told.answer = () => answered(200);
    await replayWebhook(told.source, await planOf(told), told.events()[0]?.id ?? '');
    told.world.clockMs += 60 * 60_000;
    await told.look();
    expect(told.outcomes()).toEqual(['refused', 'delivered']);
  });

  test('of many at once has a number of its own each', async () => {
    const told = await finished();
    const id = told.events()[0]?.id ?? '';
    const plan = await planOf(told);
    const attempts = await Promise.all([told.source, told.another(), told.another()].map((one) => replayWebhook(one, plan, id)));
    expect(attempts.map(({ attempt }) => attempt).toSorted()).toEqual([2, 3, 4]);
  });

  test('of an id that was never sent is refused', async () => {
    const told = await finished();
    await expect(replayWebhook(told.source, await planOf(told), 'nothing')).rejects.toMatchObject({
      code: 'USAGE',
      message: 'job has no webhook "nothing" that was ever sent',
    });
  });

  test('says what the settings lack', async () => {
    const told = await finished();
    const plan = await planOf(told);
    const id = told.events()[0]?.id ?? '';
    const { webhooks, ...without } = told.source;
    await expect(replayWebhook(without, plan, id)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    if (webhooks === undefined) throw new Error('no webhooks');
    const noUrl = { ...without, webhooks: { ...webhooks, operator: null } };
    await expect(replayWebhook(noUrl, plan, id)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('MILLRACE_WEBHOOK_URL'),
    });
    expect(told.posts).toHaveLength(1);
  });
});
