import { describe, expect, test } from 'vitest';
import { createMessageHandler } from '../../../consumers/message-handler.ts';
import { parseNotification } from '../../../consumers/notifications/notification.ts';
import { retryDelaySeconds } from '../../../consumers/settle.ts';
import { MillraceError } from '../../../errors.ts';
import { createLogger } from '../../../log.ts';

function records(...objects: readonly (readonly [bucket: string, key: string])[]): string {
  const list = objects.map(([name, key]) => ({ eventName: 'ObjectCreated:Put', s3: { bucket: { name }, object: { key } } }));
  return JSON.stringify({ Records: list });
}

/** Handles one body; jobs whose name begins with `bad` fail. */
async function handle(body: string, receiveCount = 1) {
  const requested: string[] = [];
  const failures: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const handler = createMessageHandler({
    bucket: 'videos',
    pipelinesPrefix: 'pipelines',
    parse: parseNotification,
    turns: {
      request: async (job) => {
        requested.push(job);
        if (job.startsWith('bad')) throw new MillraceError('STORE_UNREACHABLE', `${job} failed`);
      },
    },
    log: createLogger({ level: 'debug', name: 'test', stream: { write: (line) => void lines.push(JSON.parse(line)) } }),
    onFailure: ({ message }) => void failures.push(message),
    random: () => 1,
  });
  const outcome = await handler({ id: 'm1', body, attributes: {}, receiveCount, replays: 0 }, new AbortController().signal);
  return { outcome, requested, failures, lines };
}

describe('a message', () => {
  test('is done once every job in it has been reconciled, each once', async () => {
    const { outcome, requested } = await handle(
      records(['videos', 'pipelines/a/x'], ['videos', 'pipelines/b/x'], ['videos', 'pipelines/a/y']),
    );
    expect(outcome).toEqual({ kind: 'done' });
    expect(requested).toEqual(['a', 'b']);
  });

  test('is retried, later each time, when one of its jobs failed, and the failure is reported', async () => {
    const body = records(['videos', 'pipelines/a/x'], ['videos', 'pipelines/bad/x']);
    expect(await handle(body, 1)).toMatchObject({
      outcome: { kind: 'retry', delaySeconds: 2, error: { code: 'STORE_UNREACHABLE' } },
      requested: ['a', 'bad'],
      failures: ['bad failed'],
    });
    expect((await handle(body, 4)).outcome).toMatchObject({ delaySeconds: 16 });
  });

  test('that nobody can read goes to the dead letters with its reason', async () => {
    expect((await handle('hello')).outcome).toMatchObject({ kind: 'dead-letter', error: { code: 'MESSAGE_NOT_JSON' } });
    expect((await handle('{}')).outcome).toMatchObject({ kind: 'dead-letter', error: { code: 'MESSAGE_NOT_NOTIFICATION' } });
  });

  test('with an event of another bucket goes there too, after its good events have been worked on', async () => {
    const body = records(['theirs', 'pipelines/x/x'], ['videos', 'pipelines/a/x']);
    expect(await handle(body)).toMatchObject({
      outcome: { kind: 'dead-letter', error: { code: 'BUCKET_NOT_ALLOWED' } },
      requested: ['a'],
    });
    const failing = records(['theirs', 'pipelines/x/x'], ['videos', 'pipelines/bad/x']);
    expect((await handle(failing)).outcome).toMatchObject({ kind: 'retry' });
  });

  test('under a bad job id is acknowledged with a warning', async () => {
    const { outcome, requested, lines } = await handle(records(['videos', 'pipelines/../x']));
    expect(outcome).toEqual({ kind: 'done' });
    expect(requested).toEqual([]);
    expect(lines).toMatchObject([{ level: 'warn', messageId: 'm1', error: { code: 'KEY_INVALID' } }]);
  });

  test('that is a test event, a problem or outside of the prefix is acknowledged, and said', async () => {
    const test = await handle(JSON.stringify({ Event: 's3:TestEvent' }));
    expect(test).toMatchObject({ outcome: { kind: 'done' }, lines: [{ level: 'info', reason: 'a test event' }] });
    const ignored = await handle(records(['videos', 'pipelines/a/problems/p'], ['videos', 'else/x']));
    expect(ignored).toMatchObject({ outcome: { kind: 'done' }, requested: [], lines: [{ level: 'debug' }, { level: 'debug' }] });
  });
});

test('the delay doubles up to fifteen minutes, and jitter takes at most half of it', () => {
  expect([1, 2, 3, 8, 9, 10, 1000].map((count) => retryDelaySeconds(count, () => 1))).toEqual([2, 4, 8, 256, 512, 900, 900]);
  expect([0, 1, 9, 1000].map((count) => retryDelaySeconds(count, () => 0))).toEqual([1, 1, 256, 450]);
});
