/** What no input may reach: a file whose text must never be seen, and a server on loopback that must never be asked. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TaskBench } from '../handlers/task-bench.ts';

export const CANARY = 'canary-7f3a91-must-not-be-read';

export interface Canary {
  readonly file: string;
  /** On an address that the runner was not allowed. */
  readonly url: string;
  readonly port: number;
  readonly requests: string[];
  /** No request came, and no output, result, answer or log line holds the text. */
  expectUntouched(bench: TaskBench, ...answers: readonly unknown[]): void;
  close(): Promise<void>;
}

/** Both under names that playlists may hold, and the file as subtitles: a reader that could be fooled would pass the text on. */
export async function startCanary(directory: string): Promise<Canary> {
  const file = join(directory, 'canary.vtt');
  await writeFile(file, `WEBVTT\n\n00:00.000 --> 00:09.000\n${CANARY}\n`);
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.writeHead(200, { 'content-type': 'text/plain' }).end(CANARY);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    ...{ file, requests, port: address.port, url: `http://127.0.0.1:${address.port}/canary.ts` },
    expectUntouched(bench, ...answers) {
      expect(requests).toEqual([]);
      const outputs = [...bench.sink.taken].filter(([, { body }]) => body.includes(CANARY));
      expect(outputs.map(([name]) => name)).toEqual([]);
      expect([...bench.lines, ...answers.map(shown)].filter((text) => text.includes(CANARY))).toEqual([]);
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** All that JSON can show of an answer, an error's own fields and stack included. */
export function shown(answer: unknown): string {
  return JSON.stringify(answer, (_key, value) =>
    value instanceof Error ? { ...value, message: value.message, stack: value.stack, cause: value.cause } : value,
  );
}
