import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';
import { ANSWER_BUDGET_MS, answerBody, postAnswer } from '../../../runpod/answer.ts';
import { backOffMs } from '../../../runpod/pause.ts';
import { parseWorkerEnvironment } from '../../../runpod/worker-environment.ts';
import { type Script, startScriptedServer } from './scripted-server.ts';

const succeeded = { kind: 'succeeded', output: { statusCode: 200, body: 'done' } } as const;

describe('answerBody', () => {
  it('wraps an output', () => {
    expect(JSON.parse(answerBody(succeeded))).toEqual({ output: { statusCode: 200, body: 'done' } });
  });

  it('puts a failure into one string that machines can read', () => {
    const error = new MillraceError('GPU_FAILED', 'NVENC is not there', { fix: 'Use an L4.' });
    const body = JSON.parse(answerBody({ kind: 'failed', error }));
    expect(Object.keys(body)).toEqual(['error']);
    expect(typeof body.error).toBe('string');
    expect(JSON.parse(body.error)).toEqual({
      code: 'GPU_FAILED',
      message: 'NVENC is not there',
      retryable: true,
      fix: 'Use an L4.',
    });
  });

  it('answers cut short work with a retryable code', () => {
    const body = JSON.parse(answerBody({ kind: 'cancelled' }));
    expect(JSON.parse(body.error)).toMatchObject({ code: 'CANCELLED', retryable: true });
  });

  it('asks for a fresh worker beside the answer', () => {
    expect(JSON.parse(answerBody(succeeded, { stopPod: true }))).toMatchObject({ stopPod: true, output: {} });
  });

  it('carries no signature and no endless message', () => {
    const message = `reading https://b.example/x?X-Amz-Signature=deadbeef failed ${'y'.repeat(10_000)}`;
    const body = answerBody({ kind: 'failed', error: new MillraceError('SOURCE_UNREACHABLE', message) });
    expect(body).not.toContain('deadbeef');
    expect(body.length).toBeLessThan(2_500);
  });
});

/** Time passes only in pauses, and is written down. */
async function post(script: Script) {
  const server = await startScriptedServer(script);
  const silenced = new AbortController();
  const pauses: number[] = [];
  let nowMs = 0;
  try {
    const environment = parseWorkerEnvironment({
      RUNPOD_WEBHOOK_GET_JOB: `${server.url}/job-take/$ID`,
      RUNPOD_WEBHOOK_POST_OUTPUT: `${server.url}/job-done/$RUNPOD_POD_ID/$ID?gpu=x`,
      RUNPOD_AI_API_KEY: 'raw-key',
      RUNPOD_POD_ID: 'pod1',
    });
    const line = {
      environment,
      log: silentLogger,
      now: () => nowMs,
      random: () => 1,
      pause: async (ms: number) => {
        pauses.push(ms);
        nowMs += ms;
      },
      fetch: undefined,
    };
    const options = { log: silentLogger, signal: silenced.signal, stopPod: false };
    const posted = await postAnswer(line, 'job-u1', succeeded, options);
    return { posted, seen: server.seen, pauses, waitedMs: nowMs };
  } finally {
    await server.close();
  }
}

const answers =
  (...statuses: number[]): Script =>
  (_request, response) => {
    const status = statuses.length > 1 ? statuses.shift() : statuses[0];
    if (status === 0) response.destroy();
    else response.writeHead(status ?? 500).end();
  };

describe('postAnswer', () => {
  it("has the form of RunPod's own workers: raw key, form type, JSON text, the job's id", async () => {
    const { posted, seen } = await post(answers(200));
    expect(posted).toBe('posted');
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/job-done/pod1/job-u1?gpu=x&isStream=false' });
    expect(seen[0]?.headers).toMatchObject({
      authorization: 'raw-key',
      'content-type': 'application/x-www-form-urlencoded',
      'x-request-id': 'job-u1',
    });
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ output: succeeded.output });
  });

  it('is repeated through network errors, 429 and 5xx, waiting longer each time', async () => {
    const { posted, seen, pauses } = await post(answers(0, 500, 429, 503, 200));
    expect(posted).toBe('posted');
    expect(seen).toHaveLength(5);
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000]);
  });

  it('ends trying when its time is over', async () => {
    const { posted, seen, waitedMs } = await post(answers(500));
    expect(posted).toBe('lost');
    expect(waitedMs).toBeLessThanOrEqual(ANSWER_BUDGET_MS);
    expect(waitedMs).toBeGreaterThan(ANSWER_BUDGET_MS - 31_000);
    expect(seen.length).toBeLessThan(40);
  });

  it.each([400, 413])('posts a short error in place of what was refused with %i', async (status) => {
    const { posted, seen } = await post(answers(status, 200));
    expect(posted).toBe('posted');
    expect(seen).toHaveLength(2);
    const { error } = JSON.parse(seen[1]?.body ?? '');
    expect(JSON.parse(error)).toMatchObject({ code: 'ANSWER_TOO_LARGE', retryable: false });
  });

  it('does not go on for ever when the short error is refused too', async () => {
    const { posted, seen } = await post(answers(400));
    expect(posted).toBe('lost');
    expect(seen).toHaveLength(2);
  });

  it('lets a job go that RunPod no longer knows', async () => {
    const { posted, seen } = await post(answers(404));
    expect(posted).toBe('gone');
    expect(seen).toHaveLength(1);
  });
});

describe('backOffMs', () => {
  it('doubles up to its bound, at least half of it fixed', () => {
    const steps = { firstMs: 100, mostMs: 1_000 };
    expect([1, 2, 3, 4, 5, 1_000].map((failures) => backOffMs(steps, failures, () => 1))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
    expect(backOffMs(steps, 3, () => 0)).toBe(200);
  });
});
