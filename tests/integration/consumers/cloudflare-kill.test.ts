import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CloudflareClient, createCloudflareClient } from '../../../consumers/cloudflare-client.ts';

const ROUNDS = 3;
/** Acknowledged messages after which the process is killed, in the middle of whatever else it does. */
const ACKS_PER_ROUND = 40;
const LEASE_MS = 1_000;
const HOUR_MS = 3_600_000;

let dataDir: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'millrace-cloudflare-'));
});
afterEach(async () => {
  await kill();
  rmSync(dataDir, { recursive: true });
});

async function start(): Promise<CloudflareClient> {
  const program = join(import.meta.dirname, 'cloudflare-process.ts');
  child = spawn(process.execPath, [program, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('no output');
  const [queueUrl] = await once(createInterface({ input: child.stdout }), 'line');
  return createCloudflareClient({ queueUrl: String(queueUrl), token: 'local-token' });
}

async function kill(): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('killed while it takes, leases and removes messages, the server loses nothing it accepted and brings nothing back', async () => {
  const sent = new Set<string>();
  const ackAsked = new Set<string>();
  const acked = new Set<string>();
  const cameBack: string[] = [];

  // One message is leased for an hour all the while: that too outlives every kill.
  const first = await start();
  await first.send('held');
  expect((await first.pull(1, HOUR_MS)).messages).toHaveLength(1);
  await kill();

  for (let round = 0; round < ROUNDS; round += 1) {
    const client = await start();
    const target = acked.size + ACKS_PER_ROUND;
    let isKilled = false;
    const untilKilled = async (step: () => Promise<void>) => {
      while (!isKilled) {
        try {
          await step();
        } catch (thrown) {
          // Requests that the kill cut off fail, and only those.
          if (!isKilled) throw thrown;
        }
      }
    };
    const sender = () =>
      untilKilled(async () => {
        const bodies = [randomUUID(), randomUUID()];
        await client.sendBatch(bodies);
        for (const body of bodies) sent.add(body);
      });
    const puller = () =>
      untilKilled(async () => {
        const gone = new Set(acked);
        const { messages } = await client.pull(3, LEASE_MS);
        cameBack.push(...messages.map(({ body }) => body).filter((body) => gone.has(body)));
        for (const { body } of messages) ackAsked.add(body);
        await client.settle(
          messages.map(({ leaseId }) => leaseId),
          [],
        );
        for (const { body } of messages) acked.add(body);
        if (acked.size >= target && !isKilled) {
          isKilled = true;
          await kill();
        }
      });
    await Promise.all([sender(), sender(), puller(), puller()]);
  }

  const client = await start();
  // Every lease but the first's is over: all that is left is visible.
  await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
  const left: string[] = [];
  for (;;) {
    const { messages } = await client.pull(100, LEASE_MS);
    if (messages.length === 0) break;
    left.push(...messages.map(({ body }) => body));
    await client.settle(
      messages.map(({ leaseId }) => leaseId),
      [],
    );
  }
  expect(sent.size).toBeGreaterThanOrEqual(ROUNDS * ACKS_PER_ROUND);
  expect([...sent].filter((body) => !left.includes(body) && !ackAsked.has(body))).toEqual([]);
  expect(left.filter((body) => acked.has(body))).toEqual([]);
  expect(cameBack).toEqual([]);
  expect(left).not.toContain('held');
});
