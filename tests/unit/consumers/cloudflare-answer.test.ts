import { describe, expect, test } from 'vitest';
import {
  readExtended,
  readPeeked,
  readPulled,
  readQueueId,
  readSettings,
  readSettled,
} from '../../../consumers/cloudflare-answer.ts';

describe('pulled and peeked messages', () => {
  test('a message as the API reference shows it', () => {
    const message = {
      id: 'b01b5594f784d0165c2985833f5660dd',
      attempts: 1,
      body: 'hello world',
      lease_id: 'lease',
      metadata: { 'CF-Content-Type': 'text', 'CF-sourceMessageSource': 'dash' },
      timestamp_ms: 1710950954154,
    };
    expect(readPulled({ message_backlog_count: 5, messages: [message], metadata: {} })).toEqual({
      messages: [
        { id: 'b01b5594f784d0165c2985833f5660dd', body: 'hello world', attempts: 1, sentAtMs: 1710950954154, leaseId: 'lease' },
      ],
      unreadable: 0,
    });
  });

  test('a JSON body is decoded, and one that came as an object is text again', () => {
    const encoded = { body: Buffer.from('{"a":1}').toString('base64'), ref: 'r', metadata: { 'CF-Content-Type': 'json' } };
    const bodies = readPeeked({ messages: [encoded, { body: { a: 1 }, ref: 's' }] }).messages.map(({ body }) => body);
    expect(bodies).toEqual(['{"a":1}', '{"a":1}']);
  });

  test('one message without a lease does not take the others with it', () => {
    const { messages, unreadable } = readPulled({ messages: [{ id: 'x', body: 'no lease' }, { body: 'b', lease_id: 'l' }, 7] });
    expect(messages.map(({ body, attempts }) => [body, attempts])).toEqual([['b', 1]]);
    expect(unreadable).toBe(2);
  });

  test.each([[null], [undefined], [{}], [{ messages: null }]])('%j holds no message', (result) => {
    expect(readPulled(result)).toEqual({ messages: [], unreadable: 0 });
  });

  test('an answer of another shape is refused', () => {
    expect(() => readPulled({ messages: 'none' })).toThrow();
    expect(() => readPulled('none')).toThrow();
  });
});

describe('extended leases', () => {
  const old = 'old';
  test.each([
    ['a list of messages', { messages: [{ lease_id: 'new' }] }],
    ['a list of extended ones, with the old id beside the new', { extended: [{ lease_id: 'old', new_lease_id: 'new' }] }],
    ['a bare list', [{ lease_id: 'new' }]],
    ['one object', { lease_id: 'new' }],
    ['another spelling', { leases: [{ leaseId: 'new' }] }],
    ['a map by the old id', { leases: { old: { lease_id: 'new' } } }],
  ])('the new id is found in %s', (_what, result) => {
    expect(readExtended(result, old)).toEqual({ kind: 'extended', leaseId: 'new' });
  });

  test.each([
    [null],
    [undefined],
    [{ extendCount: 1 }],
    [{ messages: [{ lease_id: 'old' }] }],
    [{ warnings: {}, errors: [] }],
    ['text'],
  ])('%j extends without telling an id', (result) => {
    expect(readExtended(result, old)).toEqual({ kind: 'extended', leaseId: undefined });
  });

  test.each([[{ warnings: { old: 'gone' } }], [{ messages: [], errors: [{ message: 'no such lease' }] }]])(
    '%j has lost it',
    (result) => {
      expect(readExtended(result, old)).toEqual({ kind: 'lost' });
    },
  );
});

describe('what settling and purging warn of', () => {
  test('by lease id', () => {
    expect([...readSettled({ ackCount: 1, warnings: { lease: 'too late' } }).warnings]).toEqual([['lease', 'too late']]);
  });
  test('in the older form, a list', () => {
    expect([...readSettled({ ackCount: 1, warnings: ['too late'] }).warnings.values()]).toEqual(['too late']);
  });
  test.each([[null], [undefined], [{ ackCount: 1 }], [{ warnings: null }]])('nothing, in %j', (result) => {
    expect(readSettled(result).warnings.size).toBe(0);
  });
});

describe('settings', () => {
  const queue = { queue_id: 'q', queue_name: 'events', settings: { delivery_paused: true, message_retention_period: 86_400 } };
  const worker = { type: 'worker', dead_letter_queue: 'other', settings: { max_retries: 9 } };

  test('are those of the HTTP pull consumer', () => {
    const pull = { type: 'http_pull', dead_letter_queue: 'dead', settings: { max_retries: 5, batch_size: 10 } };
    expect(readSettings(queue, [worker, pull])).toEqual({
      name: 'events',
      paused: true,
      retentionSeconds: 86_400,
      pullable: true,
      maxRetries: 5,
      deadLetterQueue: 'dead',
    });
  });

  test('an empty name is no dead-letter queue', () => {
    const { deadLetterQueue } = readSettings(queue, [{ type: 'http_pull', dead_letter_queue: '', settings: {} }]);
    expect(deadLetterQueue).toBeUndefined();
  });

  test.each([[[]], [null], [[worker]]])('without a pull consumer (%j) they are unknown', (consumers) => {
    expect(readSettings({}, consumers)).toEqual({
      name: undefined,
      paused: false,
      retentionSeconds: undefined,
      pullable: false,
      maxRetries: undefined,
      deadLetterQueue: undefined,
    });
  });
});

test("a queue's id is found by its name", () => {
  const queues = [{ queue_id: '1', queue_name: 'one' }, { queue_id: '2', queue_name: 'two' }, {}];
  expect(readQueueId(queues, 'two')).toBe('2');
  expect(readQueueId(queues, 'three')).toBeUndefined();
  expect(readQueueId(queues, '')).toBeUndefined();
  expect(readQueueId(null, 'one')).toBeUndefined();
});
