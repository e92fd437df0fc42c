/**
 * Which ports the local servers take. The URLs of queued runs and messages hold them: a stack that is started again on
 * the same data should have the ports that it had, also where it was told to pick free ones.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { MillraceError } from '../errors.ts';

const Port = z.int().min(0).max(65_535);
const Ports = z.object({ bucket: Port, queue: Port, endpoint: Port, api: Port.default(0) });
export type Ports = z.infer<typeof Ports>;

const FILE = 'ports.json';
/** The system's choice. */
const ANY: Ports = { bucket: 0, queue: 0, endpoint: 0, api: 0 };

/** `port` is the bucket's, and the next three are the others'; 0 takes those of the last time where they are free. Throws CONFIG_INVALID. */
export async function choosePorts(dataDir: string, port: number): Promise<Ports> {
  if (port !== 0) return fixedPorts(port);
  const last = lastPorts(dataDir);
  const [bucket, queue, endpoint, api] = await Promise.all([last.bucket, last.queue, last.endpoint, last.api].map(ifFree));
  return { bucket: bucket ?? 0, queue: queue ?? 0, endpoint: endpoint ?? 0, api: api ?? 0 };
}

/** Each server would say so of its own port; here it can be told from the others, and from the `--port` that was given. */
async function fixedPorts(port: number): Promise<Ports> {
  const ports: Ports = { bucket: port, queue: port + 1, endpoint: port + 2, api: port + 3 };
  for (const [name, wanted] of Object.entries(ports)) {
    if ((await ifFree(wanted)) !== wanted) {
      throw new MillraceError('CONFIG_INVALID', `port ${wanted} of this machine, for the ${name}, is taken or may not be used`, {
        fix: `Stop what uses it (another millrace dev?), or give another --port: it and the next three must be free; 0 picks free ones.`,
      });
    }
  }
  return ports;
}

export async function rememberPorts(dataDir: string, ports: Ports): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  await writeFile(join(dataDir, FILE), `${JSON.stringify(ports)}\n`);
}

/** A file that is not there, or is none of ours, leaves the choice to the system. */
function lastPorts(dataDir: string): Ports {
  try {
    return Ports.parse(JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')));
  } catch {
    return ANY;
  }
}

function ifFree(port: number): Promise<number> {
  if (port === 0) return Promise.resolve(0);
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(0));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(port)));
  });
}
