import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, type TestContext, test, vi } from 'vitest';
import { z } from 'zod';
import { MAX_REPLAYS_BEFORE_QUARANTINE } from '../../../cli/commands/dead-letters.ts';
import { createSqsConsumer } from '../../../consumers/sqs.ts';
import { MillraceError } from '../../../errors.ts';
import { type LocalQueue, startQueue } from '../../../local/queue/queue.ts';
import { silentLogger } from '../../../log.ts';
import { freshQueues, type SqsLetterPeer } from '../consumers/dead-letters-sqs.ts';
import { deskOf, type LetterDesk, letter, noteOf, notification, type SentLetter } from '../consumers/dead-letters-suite.ts';
import { millrace } from './millrace.ts';

const credentials = { accessKeyId: 'local', secretAccessKey: 'local-secret' };

// Beside each other: most of the time is spent waiting for letters that a killed command had in hand, and for queues that are empty.
describe.concurrent('dead-letters', () => {
  let queue: LocalQueue;
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'millrace-queue-'));
    queue = await startQueue({ dataDir, port: 0, region: 'us-east-1', log: silentLogger, ...credentials });
  });
  afterAll(async () => {
    await queue.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  async function openDesk(onTestFinished: TestContext['onTestFinished']): Promise<LetterDesk & { readonly peer: SqsLetterPeer }> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-letters-'));
    const peer = await freshQueues({ endpoint: queue.endpoint, credentials });
    onTestFinished(async () => {
      peer.client.destroy();
      await rm(folder, { recursive: true, force: true });
    });
    return { ...deskOf(peer, folder), peer };
  }

  const REASONS = ['MESSAGE_NOT_JSON', 'MESSAGE_NOT_NOTIFICATION', 'BUCKET_NOT_ALLOWED', 'STORE_UNREACHABLE'];

  function fiveHundred(): SentLetter[] {
    return Array.from({ length: 500 }, (_, index) => {
      const key = `pipelines/talk-${index}/stage/clips/segment_0.mp4`;
      return letter(notification(key), noteOf(REASONS[index % REASONS.length] ?? ''));
    });
  }

  /** The most that were sent within any second. */
  function busiestSecond(timesMs: readonly number[]): number {
    const sorted = [...timesMs].sort((a, b) => a - b);
    return Math.max(...sorted.map((from) => sorted.filter((ms) => ms >= from && ms < from + 1000).length));
  }

  test('500 letters of four reasons, replayed by filter with a kill in the middle: none is lost, and the rate is kept', async ({
    expect,
    onTestFinished,
  }) => {
    const desk = await openDesk(onTestFinished);
    const { peer } = desk;
    const letters = fiveHundred();
    await peer.putDead(letters);
    const [first = '', second = ''] = REASONS;
    const wanted = letters.filter((_, index) => index % REASONS.length < 2);
    const rate = 60;
    const command = ['replay', '--reason', first, '--reason', second, '--rate', String(rate)];

    const killed = desk.start(...command);
    await vi.waitFor(async () => expect(await peer.waiting()).toBeGreaterThan(70), { timeout: 30_000, interval: 20 });
    expect((await killed.end('SIGKILL')).signal).toBe('SIGKILL');
    const before = await peer.waiting();
    expect(before).toBeLessThan(wanted.length);
    const { code, stderr } = await desk.run(...command);
    expect({ code, stderr: stderr.replaceAll(/.*cannot be seen .*\n/g, '') }).toEqual({ code: 0, stderr: '' });

    const arrived = await peer.arrived();
    const counts = Map.groupBy(arrived, ({ body }) => body);
    expect([...counts.keys()].sort()).toEqual(wanted.map(({ body }) => body).sort());
    // What was in hand when it was killed, at most.
    const twice = arrived.length - wanted.length;
    expect(twice).toBeLessThanOrEqual(10);
    expect(arrived.every(({ attributes }) => attributes['millrace-replays'] === '1')).toBe(true);
    expect(busiestSecond(arrived.map(({ sentAtMs }) => sentAtMs))).toBeLessThanOrEqual(rate + 10);

    const left = await peer.dead();
    expect(left.map(({ body }) => body).sort()).toEqual(
      letters.flatMap(({ body }, index) => (index % REASONS.length < 2 ? [] : [body])).sort(),
    );
    const audit = await desk.audit();
    const idsOf = (step: string) => new Set(audit.flatMap((line) => (line.step === step ? [line.id] : [])));
    expect([idsOf('intent').size, idsOf('sent').size]).toEqual([250, 250]);
    // The kill may come between the removal of a batch and its lines.
    expect(idsOf('removed').size).toBeGreaterThanOrEqual(240);
    expect(audit.filter(({ step }) => step === 'intent').length - 250).toBeGreaterThanOrEqual(twice);
  });

  test('a stop ends after what is in hand, puts the rest back at once, and says how to go on', async ({
    expect,
    onTestFinished,
  }) => {
    const desk = await openDesk(onTestFinished);
    const { peer } = desk;
    const letters = fiveHundred().slice(0, 100);
    await peer.putDead(letters);
    const stopped = desk.start('replay', '--rate', '20');
    await vi.waitFor(async () => expect(await peer.waiting()).toBeGreaterThan(5), { timeout: 30_000, interval: 20 });
    const { code, stdout, stderr } = await stopped.end('SIGINT');
    expect(code).toBe(1);
    expect(stderr).toContain('The same command goes on where this one ended');
    const arrived = (await peer.arrived()).map(({ body }) => body);
    expect(stdout).toContain(`${arrived.length} letters replayed`);
    const left = (await peer.dead()).map(({ body }) => body);
    expect([...arrived, ...left].sort()).toEqual(letters.map(({ body }) => body).sort());
  });

  test('a poison message that is replayed again and again ends in quarantine', async ({ expect, onTestFinished }) => {
    const desk = await openDesk(onTestFinished);
    const { peer } = desk;
    await peer.putDead([letter('poison', noteOf('MESSAGE_NOT_JSON'))]);
    const replays: number[] = [];
    const consumer = createSqsConsumer({
      client: peer.client,
      queueUrl: peer.queueUrl,
      deadLetterQueueUrl: peer.deadLetterQueueUrl,
      visibilityTimeoutSeconds: 5,
      waitTimeSeconds: 1,
      log: silentLogger,
      handle: async (message) => {
        replays.push(message.replays);
        return { kind: 'dead-letter', error: new MillraceError('MESSAGE_NOT_JSON', 'poison') };
      },
    });
    consumer.start();
    try {
      for (let turn = 1; turn <= MAX_REPLAYS_BEFORE_QUARANTINE; turn += 1) {
        const { stdout } = await desk.run('replay');
        expect(stdout).toContain('1 letter replayed');
        await vi.waitFor(async () => expect(await peer.dead()).toHaveLength(1), { timeout: 20_000 });
      }
      const { stdout } = await desk.run('replay');
      expect(stdout).toContain('0 letters replayed');
      expect(stdout).toContain('1 in quarantine');
      expect(replays).toEqual([1, 2, 3]);
      expect((await peer.dead()).map(({ attributes }) => attributes['millrace-replays'])).toEqual(['3']);
    } finally {
      await consumer.stop();
    }
  });

  test('--native lets SQS move all of them, and takes no filter', async ({ expect, onTestFinished }) => {
    const desk = await openDesk(onTestFinished);
    const { peer } = desk;
    const letters = fiveHundred().slice(0, 30);
    await peer.putDead(letters);
    const refused = await desk.run('replay', '--native', '--job', 'talk-1', '--keep');
    expect(refused).toMatchObject({ code: 64, stderr: expect.stringContaining('does not go with filters, --keep') });
    const { code, stdout } = await desk.run('replay', '--native', '--rate', '100');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `30 letters moved from ${peer.deadLetterQueueUrl} to ${peer.queueUrl}\n`,
    });
    expect((await peer.arrived()).map(({ body }) => body).sort()).toEqual(letters.map(({ body }) => body).sort());
  });

  test('what strangers wrote reaches the terminal escaped, and cut in tables', async ({ expect, onTestFinished }) => {
    const desk = await openDesk(onTestFinished);
    const { peer } = desk;
    const nasty = '\u009b2J\u202eevil';
    const body = notification('pipelines/talk-1/stage/clips/\u001b[2J');
    await peer.putDead([letter(`${body}${nasty}`, noteOf('MESSAGE_NOT_JSON', { reason: `${nasty} ${'long '.repeat(50)}` }))]);
    await peer.putDead([letter(body)]);
    const { stdout: table } = await desk.run('list', '--each', '--reason', 'MESSAGE_NOT_JSON');
    expect(table).toContain('\\u009b2J\\u202eevil');
    expect(Math.max(...table.split('\n').map((line) => line.length))).toBeLessThan(300);
    const { stdout: list } = await desk.run('list', '--each', '--json');
    const { list: rows } = z.object({ list: z.array(z.object({ id: z.string() })) }).parse(JSON.parse(list));
    const { stdout: whole } = await desk.run('show', ...rows.map(({ id }) => id));
    expect(whole).toContain('\\u009b2J\\u202eevil');
    expect(whole).toContain('videos/pipelines/talk-1/stage/clips/\\u001b[2J');
    for (const text of [table, whole]) expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\p{Cf}/u);
  });

  test('a letter that the queue refuses stays, with a line that says so, and the others go', async ({
    expect,
    onTestFinished,
  }) => {
    const desk = await openDesk(onTestFinished);
    const { peer } = desk;
    const full = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`own-${index}`, 'x']));
    await peer.putDead([letter('full', full), letter('fine', noteOf('KEY_INVALID'))]);
    const { code, stdout, stderr } = await desk.run('replay');
    expect(code).toBe(1);
    expect(stdout).toContain('1 letter replayed');
    expect(stdout).toContain('1 failed');
    expect(stderr).toMatch(/Failed: .*QUEUE_ERROR/);
    expect((await peer.arrived()).map(({ body }) => body)).toEqual(['fine']);
    expect((await peer.dead()).map(({ body }) => body)).toEqual(['full']);
    expect((await desk.audit()).filter(({ step }) => step === 'failed')).toHaveLength(1);
  });

  test('a queue that does not answer, and one that refuses the keys, have exit codes of their own', async ({
    expect,
    onTestFinished,
  }) => {
    const desk = await openDesk(onTestFinished);
    const { peer, folder } = desk;
    const away = { ...peer.env, MILLRACE_DEAD_LETTER_QUEUE_URL: 'http://127.0.0.1:9/000000000000/dead' };
    const wrong = { ...peer.env, AWS_SECRET_ACCESS_KEY: 'not-the-secret' };
    const list = (env: Readonly<Record<string, string>>) =>
      millrace(['dead-letters', 'list'], { cwd: folder, env: { VIDEOS_BUCKET: 's3://videos', ...env } });
    expect(await list(away)).toMatchObject({ code: 69, stdout: '', stderr: expect.stringContaining('QUEUE_UNREACHABLE') });
    const refused = await list(wrong);
    expect(refused).toMatchObject({ code: 78, stdout: '', stderr: expect.stringContaining('QUEUE_FORBIDDEN') });
    expect(refused.stderr).not.toContain('not-the-secret');
  });

  test.for([
    { args: ['list'], without: 'MILLRACE_DEAD_LETTER_QUEUE_URL' },
    { args: ['replay'], without: 'MILLRACE_QUEUE_URL' },
  ])('$args without $without says so', async ({ args, without }, { expect, onTestFinished }) => {
    const { peer, folder } = await openDesk(onTestFinished);
    const env = { VIDEOS_BUCKET: 's3://videos', ...peer.env, [without]: '' };
    const { code, stderr } = await millrace(['dead-letters', ...args], { cwd: folder, env });
    expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringContaining(`${without}: expected a value`) });
  });

  test.for([
    { args: ['replay', '--since', 'yesterday'], says: 'how long ago' },
    { args: ['replay', '--grep', '('], says: 'regular expression' },
    { args: ['replay', '--rate', '0'], says: 'whole number' },
    { args: ['replay', '--from', 'nowhere.jsonl'], says: 'cannot be read' },
    { args: ['replay', '--from', 'a', '--to', 'b'], says: 'exclude each other' },
  ])('$args is refused: $says', async ({ args, says }, { expect, onTestFinished }) => {
    const desk = await openDesk(onTestFinished);
    expect(await desk.run(...args)).toMatchObject({ code: 64, stderr: expect.stringContaining(says) });
  });
});
