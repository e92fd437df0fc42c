/** What the emulator cannot show: it ignores the bound of a stream, answers no pings and always ends a stream that is told to end. */
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createPubsubConsumer } from '../../../consumers/pubsub.ts';
import { createPubsubClient } from '../../../consumers/pubsub-client.ts';
import type { HandleMessage } from '../../../consumers/queue-message.ts';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';

/** Bounds a hang: the default of a second is over before a busy machine has begun. */
const SLOW_MACHINE = { timeout: 20_000 };

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'Date', 'performance'] }),
);
afterEach(() => void vi.useRealTimers());

const failure = new MillraceError('STORE_UNREACHABLE', 'the bucket does not answer');

interface Service {
  /** Sent in this order, to whichever stream has room. */
  readonly backlog: string[];
  answersPings: boolean;
  endsStreams: boolean;
  opened: number;
}

/** Sends as Pub/Sub documents it: no more to a stream than it may hold without an acknowledgement or a new deadline of 0. */
function createService(service: Service) {
  const client = createPubsubClient({ projectId: 'p', emulatorHost: '127.0.0.1:1' });
  const outstanding = new Map<string, Duplex>();
  const streams = new Map<Duplex, number>();
  const send = () => {
    for (const [stream, room] of streams) {
      while ([...outstanding.values()].filter((owner) => owner === stream).length < room) {
        const id = service.backlog.shift();
        if (id === undefined) return;
        outstanding.set(id, stream);
        stream.push({ receivedMessages: [{ ackId: id, message: { messageId: id, data: Buffer.from(id) }, deliveryAttempt: 1 }] });
      }
    }
  };
  vi.spyOn(client.subscriber, 'getSubscription').mockImplementation(async () => [{ topic: 'projects/p/topics/t' }]);
  vi.spyOn(client.subscriber, 'modifyAckDeadline').mockImplementation(async () => undefined);
  vi.spyOn(client.subscriber, 'acknowledge').mockImplementation(async (request) => {
    for (const id of request?.ackIds ?? []) outstanding.delete(id);
    send();
  });
  vi.spyOn(client.subscriber, 'streamingPull').mockImplementation(() => {
    service.opened += 1;
    const stream = new Duplex({
      objectMode: true,
      read: () => undefined,
      write(request: { maxOutstandingMessages?: number }, _, written) {
        if (request.maxOutstandingMessages !== undefined) {
          streams.set(stream, request.maxOutstandingMessages);
          send();
        } else if (service.answersPings) {
          stream.push({ receivedMessages: [] });
        }
        written();
      },
      final(finished) {
        streams.delete(stream);
        if (service.endsStreams) stream.push(null);
        finished();
      },
    });
    return Object.assign(stream, {
      cancel: () => void stream.destroy(),
      setMetadata: () => undefined,
      setStream: () => undefined,
      forwardEvents: () => undefined,
    }) as never;
  });
  return client;
}

function consume(service: Service, handle: HandleMessage) {
  const consumer = createPubsubConsumer({
    client: createService(service),
    subscription: 'projects/p/subscriptions/abc',
    maxMessages: 4,
    ackDeadlineSeconds: 60,
    log: silentLogger,
    handle,
    firstPauseMs: 100,
    random: () => 0.999,
  });
  consumer.start();
  return consumer;
}

const quiet: HandleMessage = async () => ({ kind: 'done' });

describe('a stream of Pub/Sub', () => {
  test('is opened anew when half of what it may hold waits for its delay, so that others come through', async () => {
    const service: Service = {
      backlog: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'last'],
      answersPings: true,
      endsStreams: true,
      opened: 0,
    };
    const seen: string[] = [];
    const consumer = consume(service, async ({ body }) => {
      seen.push(body);
      return body === 'last' ? { kind: 'done' } : { kind: 'retry', delaySeconds: 600, error: failure };
    });
    await vi.waitFor(() => expect(seen).toContain('last'), SLOW_MACHINE);
    expect(service.opened).toBeGreaterThan(1);
    await consumer.stop();
  });

  test('that answers pings stays open, and tells that it lives', async () => {
    const service: Service = { backlog: [], answersPings: true, endsStreams: true, opened: 0 };
    const consumer = consume(service, quiet);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(service.opened).toBe(1);
    expect(Date.now() - (consumer.status().lastPollMs ?? 0)).toBeLessThan(31_000);
    await consumer.stop();
  });

  test('on which nothing is answered is ended, and opened again', async () => {
    const service: Service = { backlog: [], answersPings: false, endsStreams: true, opened: 0 };
    const consumer = consume(service, quiet);
    await vi.advanceTimersByTimeAsync(89_000);
    expect(service.opened).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    await vi.waitFor(() => expect(service.opened).toBe(2), SLOW_MACHINE);
    expect(consumer.status().failedPolls).toBe(0);
    await consumer.stop();
  });

  test('that is not even ended when it is told to is a failure, and opened again', async () => {
    const service: Service = { backlog: [], answersPings: false, endsStreams: false, opened: 0 };
    const consumer = consume(service, quiet);
    await vi.advanceTimersByTimeAsync(93_000);
    await vi.waitFor(() => expect(consumer.status()).toMatchObject({ failedPolls: 1 }), SLOW_MACHINE);
    expect(Date.now() - (consumer.status().lastPollMs ?? 0)).toBeGreaterThan(90_000);
    await vi.waitFor(() => expect(service.opened).toBe(2), SLOW_MACHINE);
    const stopped = consumer.stop();
    await vi.advanceTimersByTimeAsync(5_000);
    await stopped;
  });
});
