import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createPubsubClient } from '../../../../consumers/pubsub-client.ts';
import { startPubsubEmulator } from '../../../../local/pubsub/emulator.ts';
import { findEmulator } from '../../../../local/pubsub/program.ts';
import { createLocalTopics } from '../../../../local/pubsub/topics.ts';
import { silentLogger } from '../../../../log.ts';
import { freePort, startPubsubPeer } from '../../../peers/pubsub-emulator.ts';

const peer = await startPubsubPeer();
await peer?.stop();

const answers = async (port: number): Promise<boolean> => {
  const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
  return response?.ok === true;
};

describe('finding the emulator', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-sdk-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const program = async (path: string) => {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, '#!/bin/sh\n');
    await chmod(path, 0o755);
    return path;
  };

  test('it is found on the PATH', async () => {
    const path = await program(join(folder, 'bin', 'cloud-pubsub-emulator'));
    expect(await findEmulator(join(folder, 'bin'))).toEqual({ path, version: 'unknown' });
  });

  test("it is found in the SDK of the PATH's gcloud, with its version", async () => {
    const sdk = join(folder, 'sdk');
    const path = await program(join(sdk, 'platform', 'pubsub-emulator', 'bin', 'cloud-pubsub-emulator'));
    await program(join(sdk, 'platform', 'pubsub-emulator', 'lib', 'cloud-pubsub-emulator-9.8.7-all.jar'));
    await program(join(sdk, 'bin', 'gcloud'));
    await mkdir(join(folder, 'links'));
    await symlink(join(sdk, 'bin', 'gcloud'), join(folder, 'links', 'gcloud'));
    expect(await findEmulator(join(folder, 'links'))).toEqual({ path, version: '9.8.7' });
  });
});

describe.skipIf(peer === null)('the Pub/Sub emulator', () => {
  test('a port that is taken is said', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await expect(startPubsubEmulator({ port, log: silentLogger })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`Port ${port}`),
    });
    server.close();
  });

  test('topics can be made twice', async () => {
    const emulator = (await startPubsubPeer()) ?? expect.unreachable('no emulator');
    const client = createPubsubClient({ projectId: 'local', emulatorHost: emulator.host });
    const names = await createLocalTopics({ client, name: 'millrace' });
    expect(await createLocalTopics({ client, name: 'millrace' })).toEqual(names);
    const [subscription] = await client.subscriber.getSubscription({ subscription: names.subscription });
    expect(subscription).toMatchObject({
      topic: names.topic,
      deadLetterPolicy: { deadLetterTopic: names.deadLetterTopic, maxDeliveryAttempts: 5 },
    });
    await client.close();
    await emulator.stop();
  });

  test('it ends with a process that is killed and cannot say so', async () => {
    const port = await freePort();
    const emulatorFile = fileURLToPath(new URL('../../../../local/pubsub/emulator.ts', import.meta.url));
    const logFile = fileURLToPath(new URL('../../../../log.ts', import.meta.url));
    const code = `
      const { startPubsubEmulator } = await import(${JSON.stringify(emulatorFile)});
      const { silentLogger } = await import(${JSON.stringify(logFile)});
      await startPubsubEmulator({ port: ${port}, log: silentLogger });
      process.stdout.write('started');`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(parent.stdout, 'data');
    expect(await answers(port)).toBe(true);
    parent.kill('SIGKILL');
    await vi.waitFor(async () => expect(await answers(port)).toBe(false), { timeout: 10_000, interval: 50 });
  });
});
