import { describe, expect, test } from 'vitest';
import { parsePastedText } from '../../../../consumers/notifications/pasted-text.ts';

const record = (key: string) => ({
  eventName: 'ObjectCreated:Put',
  s3: { bucket: { name: 'videos' }, object: { key, sequencer: '1' } },
});
const body = (...keys: readonly string[]) => JSON.stringify({ Records: keys.map(record) });
const r2 = (key: string) => JSON.stringify({ account: 'a', action: 'PutObject', bucket: 'videos', object: { key } });
const gcs = (objectId: string) => ({ eventType: 'OBJECT_FINALIZE', bucketId: 'videos', objectId, objectGeneration: '1' });
const base64 = (text: string) => Buffer.from(text).toString('base64');
const resource = (overrides: object = {}) => ({
  kind: 'storage#object',
  bucket: 'videos',
  name: 'x',
  generation: '1',
  ...overrides,
});

/** `where key,key` for a message that was read, `where kind` for another. */
const shortly = (value: unknown) =>
  parsePastedText(typeof value === 'string' ? value : JSON.stringify(value)).map(({ where, parsed }) =>
    `${where} ${parsed.kind === 'events' ? parsed.events.map(({ key }) => key).join() : parsed.kind}`.trim(),
  );

describe('what a queue answered', () => {
  test.each<[string, unknown, string[]]>([
    ['one body', body('a', 'b'), ['a,b']],
    ['SQS', { Messages: [{ Body: body('a'), MessageId: '1' }, { Body: body('b') }] }, ['Messages[0] a', 'Messages[1] b']],
    ['one message of SQS', { Attributes: {}, Body: body('a'), MessageId: '1' }, ['a']],
    ['one message of SQS, its body read already', { Body: { Records: [record('a')] } }, ['a']],
    ['a function called by SQS', { Records: [{ body: body('a'), eventSource: 'aws:sqs' }] }, ['Records[0] a']],
    ['a function called by SNS', { Records: [{ Sns: { Type: 'Notification', Message: body('a') } }] }, ['Records[0] a']],
    [
      'Cloudflare, plain and base64',
      { success: true, messages: [], result: { messages: [{ body: r2('a') }, { body: base64(r2('b')) }] } },
      ['result.messages[0] a', 'result.messages[1] b'],
    ],
    ['a push of Pub/Sub', { message: { attributes: gcs('a') }, subscription: 's' }, ['a']],
    [
      'a pull of Pub/Sub',
      { receivedMessages: [{ ackId: '1', message: { attributes: gcs('a') } }, { message: { data: base64(body('b')) } }] },
      ['receivedMessages[0] a', 'receivedMessages[1] b'],
    ],
    [
      "gcloud's list",
      [{ ackId: '1', message: { attributes: gcs('a') } }, { message: { attributes: gcs('b') } }],
      ['[0] a', '[1] b'],
    ],
    ['a message of Pub/Sub', { attributes: gcs('a'), data: '' }, ['a']],
    ['attributes of others beside an S3 notification', { attributes: { by: 'me' }, data: base64(body('a')) }, ['a']],
    [
      'a message in a CloudEvent',
      { type: 'google.cloud.pubsub.topic.v1.messagePublished', data: { message: { attributes: gcs('a') } } },
      ['a'],
    ],
    ['no message', { Messages: [] }, ['ignored']],
    ['no message, from gcloud', [], ['ignored']],
    ['an error of Cloudflare', { success: false, errors: [{ code: 1 }], messages: [], result: null }, ['unreadable']],
  ])('%s', (_what, value, expected) => {
    expect(shortly(value)).toEqual(expected);
  });

  test('a message that cannot be read leaves the others readable, and is named', () => {
    expect(shortly({ Messages: [{ Body: 'hello' }, { Body: body('a') }, { Body: '{}' }, 7] })).toEqual([
      'Messages[0] unreadable',
      'Messages[1] a',
      'Messages[2] unreadable',
      'Messages[3] unreadable',
    ]);
  });

  test('attributes of Cloud Storage that lack a field are not made up from the payload', () => {
    const message = { attributes: { ...gcs('a'), objectId: '' }, data: base64(JSON.stringify(resource())) };
    expect(parsePastedText(JSON.stringify(message))[0]?.parsed).toMatchObject({
      kind: 'unreadable',
      error: { message: expect.stringContaining('objectId') },
    });
  });

  test.each([
    [{ data: base64('hello') }, 'MESSAGE_NOT_JSON'],
    [{ data: base64('{}') }, 'MESSAGE_NOT_NOTIFICATION'],
    [{ attributes: { by: 'me' } }, 'MESSAGE_NOT_NOTIFICATION'],
  ])('the Pub/Sub message %j is no notification', (message, code) => {
    expect(parsePastedText(JSON.stringify({ message }))[0]?.parsed).toMatchObject({ kind: 'unreadable', error: { code } });
  });
});

describe('an object resource without a notification around it', () => {
  test.each([
    [{ metageneration: '1' }, 'created'],
    [{ metageneration: 1 }, 'created'],
    [{ metageneration: '4' }, 'other'],
    [{ metageneration: '1', timeDeleted: '2026-01-01T00:00:00Z' }, 'removed'],
  ])('%j is %s', (overrides, kind) => {
    for (const text of [resource(overrides), { message: { data: base64(JSON.stringify(resource(overrides))) } }])
      expect(parsePastedText(JSON.stringify(text))).toMatchObject([
        { parsed: { kind: 'events', events: [{ kind, bucket: 'videos', key: 'x', source: 'gcs', generation: '1' }] } },
      ]);
  });

  test('and without a name cannot be read', () => {
    expect(shortly(resource({ name: undefined }))).toEqual(['unreadable']);
  });
});
