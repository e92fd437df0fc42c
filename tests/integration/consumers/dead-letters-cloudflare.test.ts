import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CloudflareClient, createCloudflareClient } from '../../../consumers/cloudflare-client.ts';
import { unwrapBody, wrapBody } from '../../../consumers/dead-letter-note.ts';
import { type LocalCloudflareQueue, startCloudflareQueue } from '../../../local/cloudflare-queue/cloudflare-queue.ts';
import { silentLogger } from '../../../log.ts';
import { type ArrivedLetter, describeDeadLetters, deskOf, type LetterPeer, letter, noteOf } from './dead-letters-suite.ts';

const token = 'local-token';

async function startServers() {
  const servers: { server: LocalCloudflareQueue; dataDir: string }[] = [];
  return {
    async fresh(): Promise<LetterPeer> {
      const dataDir = await mkdtemp(join(tmpdir(), 'millrace-cloudflare-'));
      const queues = [{ name: 'main', deadLetterQueue: 'dead' }, { name: 'dead' }];
      const server = await startCloudflareQueue({ dataDir, port: 0, accountId: 'local', token, queues, log: silentLogger });
      servers.push({ server, dataDir });
      return peerOf(server);
    },
    async stop() {
      for (const { server, dataDir } of servers) {
        await server.close();
        await rm(dataDir, { recursive: true, force: true });
      }
    },
  };
}

function peerOf(server: LocalCloudflareQueue): LetterPeer {
  const main = createCloudflareClient({ queueUrl: server.urlOf('main'), token });
  const dead = createCloudflareClient({ queueUrl: server.urlOf('dead'), token });
  return {
    env: {
      CLOUDFLARE_API_TOKEN: token,
      MILLRACE_QUEUE_URL: server.urlOf('main'),
      MILLRACE_DEAD_LETTER_QUEUE_URL: server.urlOf('dead'),
    },
    async putDead(letters) {
      for (const { body, attributes } of letters) {
        await dead.send(Object.keys(attributes).length === 0 ? body : wrapBody(body, attributes));
      }
    },
    arrived: () => takeAll(main),
    async dead() {
      return (await dead.peek(100)).messages.map(({ body }) => unwrapBody(body));
    },
  };
}

async function takeAll(client: CloudflareClient): Promise<ArrivedLetter[]> {
  const all: ArrivedLetter[] = [];
  for (;;) {
    const { messages } = await client.pull(100, 60_000);
    if (messages.length === 0) return all;
    await client.settle(
      messages.map(({ leaseId }) => leaseId),
      [],
    );
    all.push(...messages.map(({ body, sentAtMs = 0 }) => ({ ...unwrapBody(body), sentAtMs })));
  }
}

describeDeadLetters('the local Cloudflare queue', startServers);

test('of more than a hundred letters the first hundred are seen, and none is spent by looking', async ({ onTestFinished }) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-letters-'));
  const servers = await startServers();
  onTestFinished(async () => {
    await servers.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const desk = deskOf(await servers.fresh(), folder);
  await desk.peer.putDead(Array.from({ length: 120 }, (_, index) => letter(`letter ${index}`, noteOf('MESSAGE_NOT_JSON'))));
  await desk.peer.putDead([letter('the last', noteOf('KEY_INVALID'))]);
  for (let looks = 0; looks < 5; looks += 1) {
    const { stdout, stderr } = await desk.run('list');
    expect(stdout).toMatch(/^100 +MESSAGE_NOT_JSON/m);
    expect(stderr).toContain('the first 100 letters of a queue only');
  }
  // Those that stay stand in front of the one that is wanted.
  const { stdout, stderr } = await desk.run('replay', '--reason', 'KEY_INVALID');
  expect(stdout).toContain('0 letters replayed');
  expect(stderr).toContain('save all with `replay --to FILE`');
  const file = join(folder, 'letters.jsonl');
  expect((await desk.run('replay', '--to', file)).stdout).toContain('121 letters saved');
  expect((await desk.run('replay', '--from', file, '--reason', 'KEY_INVALID')).stdout).toContain('1 letter sent');
  expect((await desk.peer.arrived()).map(({ body }) => body)).toEqual(['the last']);
});
