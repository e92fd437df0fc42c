import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createReconciler } from '../../../cli/deployment.ts';
import { readConfig } from '../../../config.ts';
import { silentLogger } from '../../../log.ts';
import { WebhookAttempt, WebhookEvent } from '../../../manifests/webhook-event.ts';
import { reconcile } from '../../../pipeline/reconcile.ts';
import { millrace } from '../cli/millrace.ts';
import { eventually, startTestStack, type TestStack } from './stack.ts';

interface Call {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A receiver as anybody would write one from the specification: it knows nothing of Millrace but the secret. */
function isSigned({ headers, body }: Call, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body.toString('utf8')}`;
  const expected = createHmac('sha256', key).update(text, 'utf8').digest();
  const isFresh = Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp'])) < 5 * 60;
  const signatures = String(headers['webhook-signature']).split(' ');
  return (
    isFresh && signatures.some((one) => one.startsWith('v1,') && timingSafeEqual(Buffer.from(one.slice(3), 'base64'), expected))
  );
}

const HOUR_MS = 60 * 60_000;
const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const TOKEN = randomBytes(8).toString('hex');

describe('webhooks', () => {
  let directory: string;
  let server: http.Server;
  let stack: TestStack;
  let environment: Record<string, string>;
  let origin: string;
  const calls: Call[] = [];
  /** Statuses to answer with, the first first; 200 when there are none left. */
  let answers: number[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-webhooks-'));
    server = http.createServer(async (request, response) => {
      calls.push({ path: request.url ?? '', headers: request.headers, body: await buffer(request) });
      response.writeHead(answers.shift() ?? 200).end('thank you');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    origin = `http://${host}`;
    const settings = {
      MILLRACE_WEBHOOK_URL: `${origin}/operator-${TOKEN}?token=${TOKEN}`,
      MILLRACE_WEBHOOK_SECRET: SECRET,
      MILLRACE_WEBHOOK_EVENTS: 'job.ended',
      HTTP_ALLOW_HOSTS: host,
    };
    stack = await startTestStack({ workers: 0, env: { ...settings, MILLRACE_SWEEP_SECONDS: '1' } });
    environment = { ...stack.environment, ...settings };
  });
  afterAll(async () => {
    await stack.stop();
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    answers = [];
  });

  const run = (...args: string[]) => millrace(args, { cwd: directory, env: environment });
  const callsOf = (job: string) =>
    calls
      .map((call) => ({ ...call, event: WebhookEvent.parse(JSON.parse(call.body.toString('utf8'))) }))
      .filter(({ event }) => event.job === job);

  /** A job that is done as soon as its last object is there: its output was put there by hand. */
  async function putDone(job: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    for (const [key, body] of Object.entries(more)) await stack.put(job, key, JSON.stringify(body));
    await stack.put(job, 'stage/downsample/downsampled.mp4', 'small film');
    await stack.put(job, 'inputs/video/source.mp4', 'film');
  }

  async function attemptsOf(job: string): Promise<WebhookAttempt[]> {
    const keys = (await stack.keys(job)).filter((key) => key.startsWith('webhooks/'));
    const texts = await Promise.all(keys.map((key) => stack.read(job, key)));
    return texts.map((text) => WebhookAttempt.parse(JSON.parse(text.toString('utf8')))).sort((a, b) => a.attempt - b.attempt);
  }

  const untilAttempts = (job: string, count: number) =>
    eventually(`${count} attempts of ${job}`, async () => (await attemptsOf(job)).length === count);

  /** What a consumer would do then, without the wait. */
  async function lookIn(laterMs: number, job: string): Promise<void> {
    const reconciler = createReconciler(readConfig(environment), silentLogger);
    await reconcile({ ...reconciler, now: () => Date.now() + laterMs }, job);
  }

  it('tell the end of a job once, signed, and settle: their own outcomes wake nobody', async () => {
    await putDone('told');
    await untilAttempts('told', 1);
    await eventually('all events are settled', async () => (await stack.waitingMessages()) === 0);
    await lookIn(HOUR_MS, 'told');
    const told = callsOf('told');
    expect(told.map(({ event }) => event)).toMatchObject([
      { event: 'job.ended', state: 'done', outputs: ['s3://videos/pipelines/told/stage/downsample/downsampled.mp4'] },
    ]);
    expect(told.map(({ path }) => path)).toEqual([`/operator-${TOKEN}?token=${TOKEN}`]);
    expect(told.every((call) => isSigned(call, SECRET))).toBe(true);
    expect(told.some((call) => isSigned(call, `whsec_${randomBytes(32).toString('base64')}`))).toBe(false);
    expect(await attemptsOf('told')).toMatchObject([{ outcome: 'delivered', status_code: 200, origin, attempt: 1 }]);
    expect(stack.lines.join('\n')).not.toContain(TOKEN);
    expect(stack.lines.join('\n')).not.toContain(SECRET);
  });

  it('are sent again to a receiver that fails twice, under one id and with one body', async () => {
    answers = [500, 503];
    await putDone('again');
    await untilAttempts('again', 1);
    await lookIn(15_000, 'again');
    await lookIn(HOUR_MS, 'again');
    expect((await attemptsOf('again')).map(({ outcome, status_code: status }) => [outcome, status])).toEqual([
      ['failed', 500],
      ['failed', 503],
      ['delivered', 200],
    ]);
    const told = callsOf('again');
    expect(told).toHaveLength(3);
    expect(new Set(told.map(({ body }) => body.toString())).size).toBe(1);
    expect(new Set(told.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it("go to a job's own receiver too, signed with a secret of that job which the command line prints", async () => {
    await putDone('own', { 'webhooks.json': { version: 1, url: `${origin}/own`, events: ['stage.ended'] } });
    await untilAttempts('own', 2);
    const { stdout, code } = await run('webhooks', 'secret', 'own');
    expect(code).toBe(0);
    const [call] = callsOf('own').filter(({ path }) => path === '/own');
    if (call === undefined) throw new Error('the job was not told');
    expect(call.event).toMatchObject({ event: 'stage.ended', stage: 'downsample' });
    expect(isSigned(call, stdout.trim())).toBe(true);
    expect(isSigned(call, SECRET)).toBe(false);
  });

  it('never go where the guard does not let them: the metadata address is refused, and not asked twice', async () => {
    await putDone('inside', { 'webhooks.json': { version: 1, url: 'http://169.254.169.254/latest/meta-data/' } });
    await untilAttempts('inside', 2);
    await lookIn(HOUR_MS, 'inside');
    const own = (await attemptsOf('inside')).filter(({ receiver }) => receiver === 'job');
    expect(own).toMatchObject([
      { outcome: 'refused', error: { code: 'WEBHOOK_REFUSED', message: expect.stringContaining('metadata address') } },
    ]);
  });

  describe('on the command line', () => {
    it('are listed, and one is sent again', async () => {
      answers = [404];
      await putDone('replayed');
      await untilAttempts('replayed', 1);
      const [first] = await attemptsOf('replayed');
      const listed = await run('webhooks', 'replayed');
      expect(listed).toMatchObject({ code: 0, stderr: '' });
      expect(listed.stdout).toMatch(new RegExp(`^${first?.id} +job\\.ended +done .* 1 attempt +refused at ${origin}: .*404`));

      const replayed = await run('webhooks', 'replay', 'replayed', first?.id ?? '');
      expect(replayed).toMatchObject({ code: 0, stdout: expect.stringContaining(`attempt 2: delivered to ${origin}: 200`) });
      const told = callsOf('replayed');
      expect(told.map(({ headers }) => headers['webhook-id'])).toEqual([first?.id, first?.id]);
      expect(told.every((call) => isSigned(call, SECRET))).toBe(true);

      const { stdout } = await run('webhooks', 'list', 'replayed', '--json');
      expect(JSON.parse(stdout)).toMatchObject({
        job: 'replayed',
        webhooks: [{ id: first?.id, attempt: 2, outcome: 'delivered', attempts: 2, event: { state: 'done' } }],
      });
      expect(stdout).not.toContain(TOKEN);
    });

    it('exit 1 where the receiver does not take it, and say what it answered', async () => {
      await putDone('refused');
      await untilAttempts('refused', 1);
      const [first] = await attemptsOf('refused');
      answers = [500];
      const { code, stdout } = await run('webhooks', 'replay', 'refused', first?.id ?? '', '--json');
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ attempt: 2, outcome: 'failed', status_code: 500 });
    });

    it('know what is missing: the webhook, or the secret', async () => {
      const unknown = await run('webhooks', 'replay', 'told', 'abc');
      expect(unknown).toMatchObject({ code: 64, stderr: expect.stringContaining('told has no webhook "abc"') });
      const unsigned = await millrace(['webhooks', 'replay', 'told', 'abc'], { cwd: directory, env: { ...stack.environment } });
      expect(unsigned).toMatchObject({ code: 78, stderr: expect.stringContaining('MILLRACE_WEBHOOK_SECRET') });
      expect(await run('webhooks', 'nowhere')).toMatchObject({ code: 0, stdout: '', stderr: 'nowhere: no webhook was sent\n' });
    });
  });
});
