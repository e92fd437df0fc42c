import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clientOf, must } from './client.ts';

const ROUNDS = 4;
const SENDERS = 4;
const RECEIVERS = 3;
/** Acknowledged deletes after which the process is killed, in the middle of whatever else it does. */
const DELETES_PER_ROUND = 60;
const VISIBILITY_SECONDS = 2;

let dataDir: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'millrace-kill-'));
});
afterEach(async () => {
  await kill();
  rmSync(dataDir, { recursive: true });
});

async function start(): Promise<SQSClient> {
  const program = join(import.meta.dirname, 'queue-process.ts');
  child = spawn(process.execPath, [program, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [endpoint] = await once(createInterface({ input: must(child.stdout ?? undefined) }), 'line');
  return clientOf(String(endpoint));
}

async function kill(): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('killed while it sends, receives and deletes, it loses nothing acknowledged and brings nothing deleted back', async () => {
  const asked = new Set<string>();
  const sent = new Set<string>();
  const deleteAsked = new Set<string>();
  const deleted = new Set<string>();
  const cameBack: string[] = [];
  const receive = async (client: SQSClient, QueueUrl: string, waitSeconds: number) => {
    const gone = new Set(deleted);
    const command = new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: VISIBILITY_SECONDS,
      WaitTimeSeconds: waitSeconds,
    });
    const messages = (await client.send(command)).Messages ?? [];
    cameBack.push(...messages.map((message) => must(message.Body)).filter((body) => gone.has(body)));
    return messages;
  };
  const queueOf = async (client: SQSClient) => must((await client.send(new CreateQueueCommand({ QueueName: 'work' }))).QueueUrl);

  // One message is in flight for an hour all the while: that too must outlive every kill.
  const first = await start();
  const firstUrl = await queueOf(first);
  await first.send(new SendMessageCommand({ QueueUrl: firstUrl, MessageBody: 'held' }));
  const held = await first.send(new ReceiveMessageCommand({ QueueUrl: firstUrl, VisibilityTimeout: 3600 }));
  expect(held.Messages).toHaveLength(1);
  await kill();

  for (let round = 0; round < ROUNDS; round += 1) {
    const client = await start();
    const QueueUrl = await queueOf(client);
    const target = deleted.size + DELETES_PER_ROUND;
    let killed = false;
    const until = async (step: () => Promise<void>) => {
      while (!killed) {
        try {
          await step();
        } catch (thrown) {
          // Requests that the kill cut off fail, and only those.
          if (!killed) throw thrown;
        }
      }
    };
    const sender = () =>
      until(async () => {
        const body = randomUUID();
        asked.add(body);
        await client.send(new SendMessageCommand({ QueueUrl, MessageBody: body }));
        sent.add(body);
      });
    const receiver = () =>
      until(async () => {
        for (const { Body, ReceiptHandle } of await receive(client, QueueUrl, 1)) {
          deleteAsked.add(must(Body));
          await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
          deleted.add(must(Body));
          if (deleted.size >= target && !killed) {
            killed = true;
            await kill();
          }
        }
      });
    await Promise.all([...Array.from({ length: SENDERS }, sender), ...Array.from({ length: RECEIVERS }, receiver)]);
    client.destroy();
  }

  const client = await start();
  const QueueUrl = await queueOf(client);
  const left = new Set<string>();
  const attributes = async () => {
    const AttributeNames = ['ApproximateNumberOfMessages' as const, 'ApproximateNumberOfMessagesNotVisible' as const];
    return (await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }))).Attributes;
  };
  for (
    let rest = await attributes();
    Number(rest?.ApproximateNumberOfMessages) > 0 || Number(rest?.ApproximateNumberOfMessagesNotVisible) > 1;
  ) {
    for (const { Body, ReceiptHandle } of await receive(client, QueueUrl, VISIBILITY_SECONDS + 1)) {
      left.add(must(Body));
      await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
    rest = await attributes();
  }

  expect(sent.size).toBeGreaterThanOrEqual(ROUNDS * DELETES_PER_ROUND);
  expect([...sent].filter((body) => !left.has(body) && !deleteAsked.has(body))).toEqual([]);
  expect([...left].filter((body) => deleted.has(body))).toEqual([]);
  expect(cameBack).toEqual([]);
  expect([...left].filter((body) => !asked.has(body))).toEqual([]);
  expect(await attributes()).toEqual({ ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesNotVisible: '1' });
  client.destroy();
});
