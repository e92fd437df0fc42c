/** Starts and kills bucket processes, and is the queue that they deliver to. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { z } from 'zod';

const Started = z.object({ endpoint: z.string() });
const Memory = z.object({ residentBytes: z.number() });

export interface BucketChild {
  readonly s3: S3Client;
  /** Another client, destroyed with the child. */
  client(config: S3ClientConfig): S3Client;
  residentBytes(): Promise<number>;
  idle(): Promise<void>;
  /** With SIGKILL: it learns nothing of it. */
  kill(): Promise<void>;
}

export async function startChild(dataDir: string, queueUrl: string): Promise<BucketChild> {
  const program = fileURLToPath(new URL('bucket-process.ts', import.meta.url));
  const child = fork(program, [dataDir, queueUrl], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const { endpoint } = Started.parse(await nextMessage(child));
  const clients: S3Client[] = [];
  const client = (config: S3ClientConfig): S3Client => {
    const made = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId: 'access', secretAccessKey: 'secret' },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...config,
    });
    clients.push(made);
    return made;
  };
  const ask = (question: string): Promise<unknown> => {
    const answer = nextMessage(child);
    child.send(question);
    return answer;
  };
  return {
    s3: client({}),
    client,
    residentBytes: async () => Memory.parse(await ask('memory')).residentBytes,
    idle: async () => {
      await ask('idle');
    },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      for (const made of clients) made.destroy();
    },
  };
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  // Ends the listener that did not win, of which there would be one more with every question.
  const done = new AbortController();
  const { signal } = done;
  try {
    const [message] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(() => Promise.reject(new Error('the bucket process ended'))),
    ]);
    return message;
  } finally {
    done.abort();
  }
}

export interface Queue {
  readonly url: string;
  /** What it has answered for: only that is delivered. */
  readonly received: readonly string[];
  /** While it holds, it takes requests and never answers them. */
  hold(holds: boolean): void;
  close(): Promise<void>;
}

export async function startQueue(): Promise<Queue> {
  const received: string[] = [];
  let holding = false;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The sender was killed.
    }
    if (holding) return;
    received.push(Buffer.concat(chunks).toString());
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address: AddressInfo | string | null = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    received,
    hold: (holds) => {
      holding = holds;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
