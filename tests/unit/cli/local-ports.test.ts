import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { choosePorts, rememberPorts } from '../../../cli/local-ports.ts';

describe('the ports of the local servers', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'millrace-ports-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  async function listen(): Promise<{ port: number; close: () => Promise<unknown> }> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    return { port, close: () => once(server.close(), 'close') };
  }

  it('are the given one and the next three, whatever they were before', async () => {
    await rememberPorts(dataDir, { bucket: 1, queue: 2, endpoint: 3, api: 4 });
    expect(await choosePorts(dataDir, 29_100)).toEqual({ bucket: 29_100, queue: 29_101, endpoint: 29_102, api: 29_103 });
  });

  it('are refused by the name of the server whose port is taken', async () => {
    const taken = await listen();
    await expect(choosePorts(dataDir, taken.port - 1)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(new RegExp(`port (${taken.port}.* for the queue|${taken.port - 1}.* for the bucket)`)),
      fix: expect.stringContaining('--port'),
    });
    await taken.close();
  });

  it('are for the system to choose the first time', async () => {
    expect(await choosePorts(join(dataDir, 'new'), 0)).toEqual({ bucket: 0, queue: 0, endpoint: 0, api: 0 });
  });

  it('are those of the last time, but for one that somebody else has taken', async () => {
    const [free, taken] = await Promise.all([listen(), listen()]);
    await free.close();
    await rememberPorts(dataDir, { bucket: free.port, queue: taken.port, endpoint: 0, api: taken.port });
    expect(await choosePorts(dataDir, 0)).toEqual({ bucket: free.port, queue: 0, endpoint: 0, api: 0 });
    await taken.close();
  });

  it.each(['', '{"bucket": 1', '{"bucket": 70000, "queue": 1, "endpoint": 1}'])(
    'are not read from a file that is none: %j',
    async (text) => {
      await writeFile(join(dataDir, 'ports.json'), text);
      expect(await choosePorts(dataDir, 0)).toEqual({ bucket: 0, queue: 0, endpoint: 0, api: 0 });
    },
  );
});
