import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LocalQueue, startQueue } from '../../../../local/queue/queue.ts';
import { silentLogger } from '../../../../log.ts';
import { CREDENTIALS, clientOf, must, REGION } from './client.ts';
import { signedHeaders } from './signed-request.ts';

const MESSAGES = 2_000;
const POLLERS = 8;
const BATCH = 10;
const ARN = `arn:aws:sqs:${REGION}:000000000000:work`;

let dataDir: string;
let queue: LocalQueue;
let client: SQSClient;
let QueueUrl: string;
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'millrace-pollers-'));
  queue = await startQueue({ dataDir, port: 0, region: REGION, ...CREDENTIALS, log: silentLogger });
  client = clientOf(queue.endpoint);
  QueueUrl = must((await client.send(new CreateQueueCommand({ QueueName: 'work' }))).QueueUrl);
});
afterEach(async () => {
  client.destroy();
  await queue.close();
  rmSync(dataDir, { recursive: true });
});

const receive = async (more: object = {}): Promise<readonly Message[]> =>
  (await client.send(new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ['All'], ...more }))).Messages ?? [];

test(`${POLLERS} pollers share ${MESSAGES} messages: each is received once, and nobody goes hungry`, async () => {
  const received: string[] = [];
  const shares: number[] = [];
  const poller = async () => {
    let share = 0;
    while (received.length < MESSAGES) {
      const messages = await receive({ MaxNumberOfMessages: BATCH, WaitTimeSeconds: 1, VisibilityTimeout: 600 });
      share += messages.length;
      received.push(...messages.map((message) => must(message.Body)));
      if (messages.length === 0) continue;
      const Entries = messages.map((message, index) => ({ Id: String(index), ReceiptHandle: message.ReceiptHandle }));
      await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    }
    shares.push(share);
  };
  const sender = async () => {
    for (let start = 0; start < MESSAGES; start += BATCH) {
      const Entries = Array.from({ length: BATCH }, (_, i) => ({ Id: String(i), MessageBody: String(start + i) }));
      await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    }
  };

  await Promise.all([sender(), ...Array.from({ length: POLLERS }, poller)]);

  expect(received).toHaveLength(MESSAGES);
  expect(new Set(received).size).toBe(MESSAGES);
  expect(shares).toHaveLength(POLLERS);
  expect(Math.min(...shares)).toBeGreaterThan(MESSAGES / POLLERS / 2);
});

/** A long poll on a socket of its own, so that its end is ours to choose. */
async function openPoll(): Promise<Socket> {
  const body = JSON.stringify({ QueueUrl, WaitTimeSeconds: 20 });
  const headers = signedHeaders(queue.endpoint, 'AmazonSQS.ReceiveMessage', body);
  const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)) });
  const socket = createConnection(queue.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`POST / HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
  // The server reads in order of arrival: once it has answered this, the poll is waiting there.
  await client.send(new GetQueueAttributesCommand({ QueueUrl }));
  return socket;
}

test('a message that comes as a poller hangs up goes to the next one, and has not been received before', async () => {
  for (let round = 0; round < 30; round += 1) {
    const socket = await openPoll();
    socket.destroy();
    await queue.sendToArn(ARN, `message ${round}`);

    const [message] = await receive({ WaitTimeSeconds: 2 });

    expect(message?.Body).toBe(`message ${round}`);
    expect(message?.Attributes?.ApproximateReceiveCount).toBe('1');
  }
});

test('a poll that is held open is answered with the message', async () => {
  const socket = await openPoll();
  await queue.sendToArn(ARN, 'for the one who waits');
  const [data] = await once(socket.setEncoding('utf8'), 'data');
  expect(data).toContain('for the one who waits');
  socket.destroy();
});

test('a delayed message wakes a poller when it becomes visible', async () => {
  const waiting = receive({ WaitTimeSeconds: 20 });
  const Entries = [{ Id: 'a', MessageBody: 'later', DelaySeconds: 1 }];
  const sentAtMs = performance.now();
  await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  expect((await waiting)[0]?.Body).toBe('later');
  const waitedMs = performance.now() - sentAtMs;
  expect(waitedMs).toBeGreaterThan(990);
  expect(waitedMs).toBeLessThan(5_000);
});

test('closing answers open polls with nothing, and the messages are there at the next start', async () => {
  await queue.sendToArn(ARN, 'kept');
  expect(await receive({ VisibilityTimeout: 0 })).toHaveLength(1);
  await client.send(new CreateQueueCommand({ QueueName: 'empty' }));
  const emptyUrl = QueueUrl.replace(/work$/, 'empty');
  const waiting = client.send(new ReceiveMessageCommand({ QueueUrl: emptyUrl, WaitTimeSeconds: 20 }));
  await client.send(new GetQueueAttributesCommand({ QueueUrl }));

  await queue.close();

  expect((await waiting).Messages).toBeUndefined();
  const port = queue.port;
  queue = await startQueue({ dataDir, port, region: REGION, ...CREDENTIALS, log: silentLogger });
  expect((await receive())[0]?.Body).toBe('kept');
});
