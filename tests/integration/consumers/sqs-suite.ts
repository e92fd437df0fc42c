/** What the SQS consumer promises, against a real server. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createBucketWatch } from '../../../consumers/bucket-watch.ts';
import { createJobTurns } from '../../../consumers/job-turns.ts';
import { createMessageHandler } from '../../../consumers/message-handler.ts';
import { parseNotification } from '../../../consumers/notifications/notification.ts';
import type { HandleMessage, QueueConsumer, QueueMessage } from '../../../consumers/queue-message.ts';
import { createSqsConsumer, type SqsConsumerOptions } from '../../../consumers/sqs.ts';
import { createSqsClient } from '../../../consumers/sqs-client.ts';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';
import { type Line, lineTo } from './outage.ts';

export interface QueuePeer {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  stop(): Promise<void>;
}

const REGION = 'us-east-1';
const VISIBILITY_SECONDS = 2;
const done: HandleMessage = async () => ({ kind: 'done' });

export function describeSqsConsumer(name: string, start: () => Promise<QueuePeer>): void {
  describe(`SQS consumer on ${name}`, () => {
    let peer: QueuePeer;
    let line: Line;
    let client: SQSClient;
    let queueUrl: string;
    let deadLetterQueueUrl: string;
    const running: QueueConsumer[] = [];

    beforeAll(async () => {
      peer = await start();
      line = await lineTo(peer.endpoint);
      client = createSqsClient({ endpoint: line.endpoint, region: REGION, credentials: peer.credentials, maxAttempts: 1 });
    });
    afterAll(async () => {
      client?.destroy();
      line?.close();
      await peer?.stop();
    });
    beforeEach(async () => {
      queueUrl = await newQueue('events');
      deadLetterQueueUrl = await newQueue('dead');
    });
    afterEach(async () => {
      line.mend();
      await Promise.all(running.splice(0).map((consumer) => consumer.stop()));
    });

    async function newQueue(prefix: string, Attributes: Record<string, string> = {}): Promise<string> {
      const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: `${prefix}-${randomUUID()}`, Attributes }));
      return QueueUrl ?? expect.unreachable('no queue URL');
    }

    /** Makes `queueUrl` a queue that hands a message out so often and then moves it to `deadLetterQueueUrl`. */
    async function withRedrive(maxReceiveCount: number): Promise<void> {
      const request = { QueueUrl: deadLetterQueueUrl, AttributeNames: ['QueueArn' as const] };
      const deadLetterTargetArn = (await client.send(new GetQueueAttributesCommand(request))).Attributes?.QueueArn;
      queueUrl = await newQueue('limited', { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount }) });
    }

    async function send(...bodies: readonly string[]): Promise<void> {
      for (let at = 0; at < bodies.length; at += 10) {
        const Entries = bodies.slice(at, at + 10).map((MessageBody, index) => ({ Id: `m${index}`, MessageBody }));
        const { Failed } = await client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
        expect(Failed ?? []).toEqual([]);
      }
    }

    function consume(
      handle: HandleMessage,
      more: Partial<SqsConsumerOptions> = {},
      deadLetters: Pick<SqsConsumerOptions, 'deadLetterQueueUrl'> = { deadLetterQueueUrl },
    ): QueueConsumer {
      const consumer = createSqsConsumer({
        client,
        queueUrl,
        ...deadLetters,
        visibilityTimeoutSeconds: VISIBILITY_SECONDS,
        waitTimeSeconds: 1,
        pollers: 2,
        firstPauseMs: 100,
        maxPauseMs: 400,
        stopTimeoutMs: 10_000,
        log: silentLogger,
        handle,
        ...more,
      });
      running.push(consumer);
      consumer.start();
      return consumer;
    }

    /** Messages that wait or are being worked on. */
    async function held(url = queueUrl): Promise<number> {
      const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
      const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...names] }));
      return names.reduce((sum, attribute) => sum + Number(Attributes?.[attribute]), 0);
    }

    const until = (assertion: () => unknown, timeout = 20_000) => vi.waitFor(assertion, { timeout, interval: 50 });
    const untilEmpty = () => until(async () => expect(await held()).toBe(0));

    async function receive(url: string): Promise<Message | undefined> {
      const request = { QueueUrl: url, WaitTimeSeconds: 5, MessageAttributeNames: ['All'] };
      return (await client.send(new ReceiveMessageCommand(request))).Messages?.[0];
    }

    test('every message is handled and deleted', async () => {
      const bodies = Array.from({ length: 25 }, (_, index) => `message ${index}`);
      await send(...bodies);
      const seen: string[] = [];
      const consumer = consume(async ({ body }) => {
        seen.push(body);
        return { kind: 'done' };
      });
      await until(() => expect(seen.length).toBe(25));
      expect(seen.sort()).toEqual([...bodies].sort());
      await untilEmpty();
      expect(consumer.status()).toMatchObject({ running: true, paused: false, failedPolls: 0, inFlight: 0 });
      expect(Date.now() - (consumer.status().lastPollMs ?? 0)).toBeLessThan(10_000);
    });

    test('a message that failed, or whose handler threw, comes again with a higher count', async () => {
      await send('fails', 'throws');
      const seen: QueueMessage[] = [];
      consume(
        async (message) => {
          seen.push(message);
          if (message.receiveCount > 1) return { kind: 'done' };
          if (message.body === 'throws') throw new Error('a defect');
          return { kind: 'retry', delaySeconds: 1, error: new MillraceError('STORE_UNREACHABLE', 'not yet') };
        },
        { random: () => 0 },
      );
      await untilEmpty();
      const counts = (body: string) => seen.filter((message) => message.body === body).map(({ receiveCount }) => receiveCount);
      expect(counts('fails')).toEqual([1, 2]);
      expect(counts('throws')).toEqual([1, 2]);
    });

    test('a message worked on for longer than the visibility timeout is not handed out twice', async () => {
      await send('long');
      const seen: QueueMessage[] = [];
      consume(async (message) => {
        seen.push(message);
        await new Promise((resolve) => setTimeout(resolve, VISIBILITY_SECONDS * 2500));
        return { kind: 'done' };
      });
      await until(() => expect(seen.length).toBe(1));
      await untilEmpty();
      expect(seen.length).toBe(1);
    });

    test('a lost lease stops the work, and nothing is done to the message after it', async () => {
      await send('lost');
      const receipts = new Set<string>();
      const commands = new Set<string>();
      const spied = createSqsClient({ endpoint: peer.endpoint, region: REGION, credentials: peer.credentials });
      spied.middlewareStack.add(
        (next, context) => async (args) => {
          commands.add(context.commandName ?? '');
          const result = await next(args);
          const { output } = result;
          if ('Messages' in output) for (const message of output.Messages ?? []) receipts.add(message.ReceiptHandle ?? '');
          return result;
        },
        { step: 'initialize' },
      );
      const started = Promise.withResolvers<AbortSignal>();
      const consumer = consume(
        async (_message, signal) => {
          started.resolve(signal);
          if (!signal.aborted) await once(signal, 'abort');
          return { kind: 'done' };
        },
        { client: spied },
      );
      const signal = await started.promise;
      for (const ReceiptHandle of receipts) await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
      await until(() => expect(signal.aborted).toBe(true));
      await until(() => expect(consumer.status().inFlight).toBe(0));
      await consumer.stop();
      spied.destroy();
      const atStart = 'GetQueueAttributesCommand';
      expect([...commands].sort()).toEqual(['ChangeMessageVisibilityCommand', atStart, 'ReceiveMessageCommand']);
    });

    test('work whose lease cannot be extended, because the queue has stopped answering, is stopped once the lease is over', async () => {
      await send('held');
      const started = Promise.withResolvers<AbortSignal>();
      consume(
        async (_message, signal) => {
          started.resolve(signal);
          if (!signal.aborted) await once(signal, 'abort');
          return { kind: 'done' };
        },
        { pollers: 1 },
      );
      const signal = await started.promise;
      line.stall();
      // Well before the client's own half a minute for an answer.
      await until(() => expect(signal.aborted).toBe(true), 15_000);
    });

    test('one slow message holds up neither its batch nor the batches after it', async () => {
      const slow = Promise.withResolvers<void>();
      const seen: string[] = [];
      await send('slow', ...Array.from({ length: 9 }, (_, index) => `first ${index}`));
      consume(
        async ({ body }) => {
          if (body === 'slow') await slow.promise;
          seen.push(body);
          return { kind: 'done' };
        },
        { pollers: 1 },
      );
      await until(() => expect(seen.length).toBe(9));
      await send(...Array.from({ length: 10 }, (_, index) => `second ${index}`));
      await until(() => expect(seen.length).toBe(19));
      slow.resolve();
      await untilEmpty();
      expect(seen.at(-1)).toBe('slow');
    });

    test('a queue that is away is asked ever less often, and work goes on by itself when it is back', async () => {
      const seen: string[] = [];
      const consumer = consume(
        async ({ body }) => {
          seen.push(body);
          return { kind: 'done' };
        },
        { pollers: 1 },
      );
      await send('before');
      // Its acknowledgement must not be on the line when that is cut.
      await until(() => expect({ seen, inFlight: consumer.status().inFlight }).toEqual({ seen: ['before'], inFlight: 0 }));
      line.cut();
      await new Promise((resolve) => setTimeout(resolve, 3000));
      expect(consumer.status().failedPolls).toBeGreaterThan(2);
      // At 100, 200, 400, 400 … ms, or half of that: a hot loop would make hundreds.
      expect(line.tries()).toBeLessThan(25);
      line.mend();
      await send('after');
      await until(() => expect(seen).toEqual(['before', 'after']));
      expect(consumer.status().failedPolls).toBe(0);
      await untilEmpty();
    });

    test('a stop in the middle lets the work end and acknowledges it, and receives nothing more', async () => {
      await send('running');
      const started = Promise.withResolvers<void>();
      const work = Promise.withResolvers<void>();
      const seen: string[] = [];
      const consumer = consume(async ({ body }, signal) => {
        seen.push(body);
        started.resolve();
        await work.promise;
        expect(signal.aborted).toBe(false);
        return { kind: 'done' };
      });
      await started.promise;
      let isStopped = false;
      const stopped = consumer.stop().then(() => {
        isStopped = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await send('too late');
      expect(isStopped).toBe(false);
      work.resolve();
      await stopped;
      expect(consumer.status()).toMatchObject({ running: false, inFlight: 0 });
      expect(await held()).toBe(1);
      expect(seen).toEqual(['running']);
      expect((await receive(queueUrl))?.Body).toBe('too late');
    });

    test('a stop that has waited long enough stops the work and gives its message back at once', async () => {
      await send('endless');
      const started = Promise.withResolvers<void>();
      const consumer = consume(
        async (_message, signal) => {
          started.resolve();
          if (!signal.aborted) await once(signal, 'abort');
          return { kind: 'retry', delaySeconds: 600, error: new MillraceError('CANCELLED', 'stopped') };
        },
        { stopTimeoutMs: 200, visibilityTimeoutSeconds: 60 },
      );
      await started.promise;
      await consumer.stop();
      expect(await receive(queueUrl)).toMatchObject({ Body: 'endless' });
    });

    test('a stop while the queue is away ends too', async () => {
      const consumer = consume(done, { pollers: 1 });
      line.cut();
      await until(() => expect(consumer.status().failedPolls).toBeGreaterThan(1));
      await consumer.stop();
      expect(consumer.status().running).toBe(false);
    });

    test('while paused nothing is received', async () => {
      const seen: string[] = [];
      const consumer = consume(async ({ body }) => {
        seen.push(body);
        return { kind: 'done' };
      });
      await until(() => expect(consumer.status().lastPollMs).toBeDefined());
      consumer.pause();
      // The polls under way end within their second.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await send('held back');
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect({ seen, held: await held() }).toEqual({ seen: [], held: 1 });
      consumer.resume();
      await untilEmpty();
      expect(seen).toEqual(['held back']);
    });

    describe('on the last receive that the redrive policy allows', () => {
      const failed = () => ({
        kind: 'retry' as const,
        delaySeconds: 1,
        error: new MillraceError('STORE_ERROR', 'the bucket refuses this'),
      });
      /** No dead-letter queue is set: that of the redrive policy is to be found. */
      const unset = {};

      test('a message that failed is a dead letter with its reason and its replays, though no dead-letter queue is set', async () => {
        await withRedrive(2);
        const replays = {
          'millrace-replays': { DataType: 'String', StringValue: '3' },
          trace: { DataType: 'String', StringValue: 'its own' },
        };
        await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: 'fails', MessageAttributes: replays }));
        const counts: number[] = [];
        const handle: HandleMessage = async ({ receiveCount }) => {
          counts.push(receiveCount);
          return failed();
        };
        consume(handle, {}, unset);
        await untilEmpty();
        const dead = await receive(deadLetterQueueUrl);
        expect(dead).toMatchObject({
          Body: 'fails',
          MessageAttributes: {
            'millrace-code': { StringValue: 'STORE_ERROR' },
            'millrace-reason': { StringValue: 'the bucket refuses this' },
            'millrace-receive-count': { StringValue: '2' },
            'millrace-replays': { StringValue: '3' },
            trace: { StringValue: 'its own' },
          },
        });
        expect(counts).toEqual([1, 2]);
      });

      test('a message that was given back because of a stop is no dead letter', async () => {
        await withRedrive(1);
        await send('endless');
        const started = Promise.withResolvers<void>();
        const consumer = consume(
          async (_message, signal) => {
            started.resolve();
            if (!signal.aborted) await once(signal, 'abort');
            return failed();
          },
          // Longer than a poll: one that is still under way would get the message that is given back, and the queue move it.
          { stopTimeoutMs: 2_500 },
          unset,
        );
        await started.promise;
        await consumer.stop();
        expect({ held: await held(), dead: await held(deadLetterQueueUrl) }).toEqual({ held: 1, dead: 0 });
      });

      test('neither is one whose lease was lost', async () => {
        await withRedrive(1);
        await send('slept over');
        const handle: HandleMessage = async () => {
          // Holds up the heartbeats too.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, VISIBILITY_SECONDS * 1000 + 500);
          return failed();
        };
        const consumer = consume(handle, {}, unset);
        // What the queue moves by itself carries no note.
        await until(async () => expect(await held(deadLetterQueueUrl)).toBe(1));
        await consumer.stop();
        expect((await receive(deadLetterQueueUrl))?.MessageAttributes).toBeUndefined();
      });

      test('a message that cannot be sent to the dead-letter queue is not deleted', async () => {
        await withRedrive(1);
        await send('fails');
        consume(async () => failed(), { deadLetterQueueUrl: `${deadLetterQueueUrl}-gone` });
        await until(async () => expect(await held(deadLetterQueueUrl)).toBe(1));
        const dead = await receive(deadLetterQueueUrl);
        expect({ body: dead?.Body, note: dead?.MessageAttributes }).toEqual({ body: 'fails', note: undefined });
      });
    });

    describe('with reconciles behind it', () => {
      const notification = (key: string) =>
        JSON.stringify({ Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'videos' }, object: { key } } }] });

      function reconciling(reconcile: (job: string) => Promise<void>, more: Partial<SqsConsumerOptions> = {}) {
        const turns = createJobTurns({ reconcile, concurrency: 4, log: silentLogger });
        const failed = { report: (_error: MillraceError): void => undefined };
        const handle = createMessageHandler({
          bucket: 'videos',
          pipelinesPrefix: 'pipelines',
          parse: parseNotification,
          turns,
          log: silentLogger,
          onFailure: (error) => failed.report(error),
          random: () => 0,
        });
        return { consumer: consume(handle, more), failed };
      }

      test('three copies of a job’s events in any order share reconciles', async () => {
        const events = ['a', 'b', 'c', 'd', 'e'].map((name) => notification(`pipelines/j/${name}`));
        const copies = [...events, ...events, ...events].sort(() => Math.random() - 0.5);
        await send(...copies);
        let reconciles = 0;
        const first = Promise.withResolvers<void>();
        const { consumer } = reconciling(async () => {
          reconciles += 1;
          if (reconciles === 1) await first.promise;
        });
        await until(() => expect(consumer.status().inFlight).toBe(15));
        first.resolve();
        await untilEmpty();
        expect(reconciles).toBe(2);
      });

      test('what nobody can read is in the dead-letter queue after one receipt, with its reason', async () => {
        await send('this is no JSON');
        reconciling(async () => undefined);
        await untilEmpty();
        const dead = await receive(deadLetterQueueUrl);
        expect(dead).toMatchObject({
          Body: 'this is no JSON',
          MessageAttributes: {
            'millrace-code': { DataType: 'String', StringValue: 'MESSAGE_NOT_JSON' },
            'millrace-reason': { DataType: 'String', StringValue: 'a message is not JSON: it has 15 characters' },
          },
        });
      });

      test.each(['no dead-letter queue', 'one that does not answer'])('with %s it stays on the queue', async (which) => {
        await send('this is no JSON');
        const url = which === 'no dead-letter queue' ? undefined : `${deadLetterQueueUrl}-gone`;
        const receipts: number[] = [];
        const handle = createMessageHandler({
          bucket: 'videos',
          pipelinesPrefix: 'pipelines',
          parse: parseNotification,
          turns: { request: async () => undefined },
          log: silentLogger,
        });
        const consumer = createSqsConsumer({
          client,
          queueUrl,
          ...(url === undefined ? {} : { deadLetterQueueUrl: url }),
          visibilityTimeoutSeconds: VISIBILITY_SECONDS,
          waitTimeSeconds: 1,
          log: silentLogger,
          random: () => 0,
          handle: (message, signal) => {
            receipts.push(message.receiveCount);
            return handle(message, signal);
          },
        });
        running.push(consumer);
        consumer.start();
        await until(() => expect(receipts.slice(0, 2)).toEqual([1, 2]));
        expect(await held()).toBe(1);
      });

      test('a bucket that cannot be reached stops the receiving until it can, and no event is lost', async () => {
        let isAway = true;
        const succeeded: string[] = [];
        const { consumer, failed } = reconciling(async (job) => {
          if (isAway) throw new MillraceError('STORE_UNREACHABLE', 'away');
          succeeded.push(job);
        });
        const watch = createBucketWatch({
          probe: async () => {
            if (isAway) throw new MillraceError('STORE_UNREACHABLE', 'away');
          },
          consumers: [consumer],
          log: silentLogger,
          firstPauseMs: 50,
          maxPauseMs: 100,
        });
        failed.report = watch.report;
        await send(notification('pipelines/j/x'));
        await until(() => expect(consumer.status().paused).toBe(true));
        await new Promise((resolve) => setTimeout(resolve, 1500));
        await send(notification('pipelines/k/x'));
        expect(consumer.status()).toMatchObject({ paused: true, inFlight: 0 });
        isAway = false;
        await untilEmpty();
        expect(succeeded.sort()).toEqual(['j', 'k']);
        expect(watch.isReachable()).toBe(true);
        await watch.close();
      });
    });
  });
}
