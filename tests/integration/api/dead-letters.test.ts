import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LetterList, LettersDone, WholeLetter } from '../../../api/documents/dead-letters.ts';
import { noteOf, notification } from '../consumers/dead-letters-suite.ts';
import { startTestStack, type TestStack } from '../loop/stack.ts';
import { type ApiClient, clientOf } from './client.ts';

const CLIP = (job: string) => notification(`pipelines/${job}/stage/clips/segment_0.mp4`);

/** On the other two queues the same code is held by the suites of dead letters. */
describe('dead letters over HTTP', () => {
  let stack: TestStack;
  let api: ApiClient;

  beforeAll(async () => {
    stack = await startTestStack({ workers: 0, consume: false });
    api = clientOf(stack.stack.description.api);
    await bury(CLIP('talk-1'), 'MAX_RECEIVES');
    await bury(CLIP('talk-2'), 'MAX_RECEIVES');
    await bury('<b>no JSON</b>', 'MESSAGE_NOT_JSON');
    await bury(CLIP('talk-3'), 'STORE_UNREACHABLE', { 'millrace-replays': '3' });
  });
  afterAll(() => stack?.stop());

  async function bury(body: string, code: string, more: Record<string, string> = {}): Promise<void> {
    const attributes = { ...noteOf(code), ...more };
    const MessageAttributes = Object.fromEntries(
      Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
    );
    const QueueUrl = stack.stack.description.queue.deadLetterUrl;
    await stack.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body, MessageAttributes }));
  }

  const list = async (query = '') => LetterList.parse((await api.ask('GET', `/api/dead-letters${query}`)).json);
  const post = async (action: string, body: object) =>
    LettersDone.parse((await api.ask('POST', `/api/dead-letters/${action}`, { body })).json);

  it('are counted by reason, job and stage, and shown one by one', async () => {
    const { letters, groups, list: shown, finished } = await list();
    expect({ letters, finished }).toEqual({ letters: 4, finished: true });
    expect(groups.map(({ code, job, stage, quarantined }) => [code, job, stage, quarantined]).sort()).toEqual([
      ['MAX_RECEIVES', 'talk-1', 'clips', 0],
      ['MAX_RECEIVES', 'talk-2', 'clips', 0],
      ['MESSAGE_NOT_JSON', null, null, 0],
      ['STORE_UNREACHABLE', 'talk-3', 'clips', 1],
    ]);
    expect(shown).toHaveLength(4);
    expect(await list('?job=talk-1,talk-3&limit=0')).toMatchObject({ letters: 2, list: [] });
    // As it is written, and no expression.
    expect((await list('?contains=no.JSON')).letters).toBe(0);
  });

  it('are shown whole', async () => {
    const [letter] = (await list('?job=talk-1')).list;
    const whole = WholeLetter.parse((await api.ask('GET', letter?.links.self ?? '')).json);
    expect(whole).toMatchObject({ id: letter?.id, body: CLIP('talk-1'), jobs: ['talk-1'], events: [{ bucket: 'videos' }] });
    expect(await api.ask('GET', '/api/dead-letters/nobody')).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
  });

  it('are sent again, but for those in quarantine, and leave the queue', async () => {
    const [letter] = (await list('?job=talk-1')).list;
    const ids = [letter?.id ?? ''];
    expect(await post('replay', { ids, dry_run: true })).toMatchObject({ dry_run: true, done: 1 });
    const before = await stack.waitingMessages();
    expect(await post('replay', { ids })).toMatchObject({ done: 1, failed: 0, finished: true });
    expect(await post('replay', { reasons: ['STORE_UNREACHABLE'] })).toMatchObject({ done: 0, quarantined: 1 });
    expect(await stack.waitingMessages()).toBe(before + 1);
  });

  it('are deleted for good, though never all of them by oversight', async () => {
    expect(await api.ask('POST', '/api/dead-letters/discard', { body: {} })).toMatchObject({
      status: 400,
      json: { errors: [{ field: 'all' }] },
    });
    expect(await post('discard', { reasons: ['MESSAGE_NOT_JSON'] })).toMatchObject({ done: 1, to: null });
    expect(await post('discard', { all: true })).toMatchObject({ done: 2 });
    expect((await list()).letters).toBe(0);
  });
});
