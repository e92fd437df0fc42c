import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNotification } from '../../../../consumers/notifications/notification.ts';
import { parsePastedText } from '../../../../consumers/notifications/pasted-text.ts';
import { MillraceError } from '../../../../errors.ts';

const object = { key: 'k', size: 1, eTag: 'e', sequencer: '1' };
const record = {
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  eventName: 'ObjectCreated:Put',
  s3: { bucket: { name: 'b' }, object },
};
const GCS = { eventType: 'OBJECT_FINALIZE', bucketId: 'b', objectId: 'k', objectGeneration: '1' };

/** One message of every emitter. */
const MESSAGES = {
  s3: { Records: [record] },
  minio: { EventName: 's3:ObjectCreated:Put', Key: 'b/k', Records: [{ ...record, eventSource: 'minio:s3' }] },
  ceph: { Records: [{ ...record, eventSource: 'ceph:s3' }] },
  eventbridge: { source: 'aws.s3', 'detail-type': 'Object Created', detail: { bucket: { name: 'b' }, object: { key: 'k' } } },
  r2: { account: 'a', action: 'PutObject', bucket: 'b', object },
  push: { message: { attributes: GCS, messageId: '1' }, subscription: 's' },
  cloudEvent: { type: 'google.cloud.storage.object.v1.finalized', data: { bucket: 'b', name: 'k', generation: '1' } },
};
const SOURCES = { s3: 's3', minio: 'minio', ceph: 'ceph', eventbridge: 's3', r2: 'r2', push: 'gcs', cloudEvent: 'gcs' } as const;
const texts = Object.values(MESSAGES).map((message) => JSON.stringify(message));
const inSns = (message: string) => JSON.stringify({ Type: 'Notification', Message: message });

describe('any emitter over any queue', () => {
  const forms: readonly [string, (body: string) => string][] = [
    ['as it is', (body) => body],
    ['through SNS', inSns],
    ['base64-encoded', (body) => Buffer.from(body).toString('base64')],
  ];
  test.each(forms.flatMap(([form, wrap]) => Object.entries(MESSAGES).map(([name, message]) => ({ form, wrap, name, message }))))(
    '$name, $form, is recognised by itself',
    ({ wrap, name, message }) => {
      expect(parseNotification({ body: wrap(JSON.stringify(message)) })).toMatchObject({
        kind: 'events',
        events: [{ kind: 'created', source: SOURCES[name as keyof typeof SOURCES], bucket: 'b', key: 'k' }],
      });
    },
  );

  test('a whole answer of a queue is no notification: a consumer is given one message at a time', () => {
    for (const answer of [{ Messages: [{ Body: texts[0] }] }, { Records: [{ body: texts[0] }] }, [MESSAGES.s3]])
      expect(parseNotification({ body: JSON.stringify(answer) })).toMatchObject({
        kind: 'unreadable',
        error: { code: 'MESSAGE_NOT_NOTIFICATION' },
      });
  });
});

describe('no input of any shape throws', () => {
  const answers = (body: string, attributes: Record<string, string> = {}) => {
    for (const parsed of [parseNotification({ body, attributes }), ...parsePastedText(body).map((each) => each.parsed)]) {
      expect(['events', 'ignored', 'unreadable']).toContain(parsed.kind);
      if (parsed.kind === 'unreadable') expect(parsed.error).toBeInstanceOf(MillraceError);
      // What is printed and logged about it must be possible too.
      JSON.stringify(parsed);
    }
  };
  const someText = fc.oneof(fc.string({ unit: 'binary' }), fc.json({ maxDepth: 4 }), fc.base64String());

  test('text, JSON, base64', () => {
    fc.assert(
      fc.property(someText, (body) => answers(body)),
      { numRuns: 500 },
    );
  });

  test('attributes', () => {
    const names = fc.constantFrom(...Object.keys(GCS), 'eventTime', 'overwrittenByGeneration', '__proto__', 'constructor');
    fc.assert(
      fc.property(someText, fc.dictionary(names, fc.oneof(fc.string(), fc.constantFrom(...Object.values(GCS)))), answers),
      { numRuns: 500 },
    );
  });

  test('notifications with parts of another kind in their places', () => {
    const part = fc.oneof(
      fc.constantFrom('__proto__', 'constructor', '', 'Notification', 'aws.s3', -0, 1e308, null, true, texts[0], texts[4]),
      fc.json({ maxDepth: 2 }).map((text): unknown => JSON.parse(text)),
      fc.constantFrom(...Object.values(MESSAGES)),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(MESSAGES)), fc.nat(), part, (message, at, value) =>
        answers(JSON.stringify(replacedAt(message, at, value))),
      ),
      { numRuns: 1000 },
    );
  });

  test('notifications with characters cut out, put in or exchanged', () => {
    const mutation = fc.record({ at: fc.nat(), cut: fc.nat({ max: 20 }), put: fc.string({ maxLength: 5, unit: 'binary' }) });
    fc.assert(
      fc.property(fc.constantFrom(...texts, ...texts.map(inSns)), fc.array(mutation, { maxLength: 4 }), (text, mutations) => {
        const mutated = mutations.reduce((whole, { at, cut, put }) => {
          const start = at % (whole.length + 1);
          return whole.slice(0, start) + put + whole.slice(start + cut);
        }, text);
        answers(mutated);
      }),
      { numRuns: 1000 },
    );
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('fields named %s, of every shape', (name) => {
    for (const inner of [...texts, '"x"', '7', 'null', '[]'])
      for (const body of [`{${JSON.stringify(name)}:${inner}}`, `{"attributes":{${JSON.stringify(name)}:${inner}}}`]) {
        answers(body);
        expect(parseNotification({ body }).kind).toBe('unreadable');
      }
  });

  test.each([
    ['lists', '[', ']'],
    ['objects', '{"a":', '}'],
    ['Pub/Sub messages', '{"message":', '}'],
    ['Records', '{"Records":[', ']}'],
    ['bodies', '{"body":', '}'],
  ])('%s a hundred thousand deep', (_what, open, close) => {
    const depth = 100_000;
    const deep = `${open.repeat(depth)}7${close.repeat(depth)}`;
    for (const body of [deep, `{"Records":[{"eventName":"x","s3":{"bucket":{"name":"b"},"object":${deep}}}]}`]) {
      expect(parseNotification({ body }).kind).toBe('unreadable');
      expect(parsePastedText(body).map(({ parsed }) => parsed.kind)).not.toContain('events');
    }
  });

  test('SNS inside of SNS', () => {
    expect(parseNotification({ body: inSns(inSns(inSns(texts[0] ?? ''))) }).kind).toBe('unreadable');
  });
});

/** A copy with the `at`-th of its values, counted through all of its depth, replaced. */
function replacedAt(whole: unknown, at: number, value: unknown): unknown {
  let count = 0;
  JSON.stringify(whole, (_key, inner) => {
    count += 1;
    return inner;
  });
  const target = at % count;
  let seen = -1;
  return JSON.parse(
    JSON.stringify(whole, (_key, inner) => {
      seen += 1;
      // A clone: a message put into itself would have no end.
      return seen === target ? structuredClone(value) : inner;
    }) ?? 'null',
  );
}
