/** RunPod's part in the bench: takes every `/run`, and says when it came and what it carried. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

/** What a worker would be given to do for one item. */
const Carried = z.object({
  output_put_url: z.string(),
  millrace: z.object({
    job: z.string(),
    output_put_headers: z.record(z.string(), z.string()),
    succeeded_put_url: z.string(),
  }),
});
export type CarriedItem = z.infer<typeof Carried>;
/** Ours in full; a bare consumer's names its job alone. */
const Body = z.union([
  z.object({ input: z.object({ parameters: z.union([z.object({ segments: z.array(Carried) }), Carried]) }) }),
  z.object({ job: z.string() }),
]);

export interface RunEndpoint {
  readonly url: string;
  readonly items: readonly CarriedItem[];
  /** Of jobs and `/run` requests: the job's first. By `performance.now()`. */
  readonly arrivedAtMs: ReadonlyMap<string, number>;
  /** Resolves when a run of the job has come. */
  arrivalOf(job: string): Promise<number>;
  forget(): void;
  close(): Promise<void>;
}

export async function startRunEndpoint(): Promise<RunEndpoint> {
  const items: CarriedItem[] = [];
  const arrivedAtMs = new Map<string, number>();
  const waiting = new Map<string, (atMs: number) => void>();
  let runs = 0;
  const server = createServer(async (request, response) => {
    const atMs = performance.now();
    if (request.method !== 'POST' || request.url?.endsWith('/run') !== true) return void response.writeHead(404).end();
    const body = Body.parse(JSON.parse(await text(request)));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: `run-${runs++}`, status: 'IN_QUEUE' }));
    const carried = 'job' in body ? [] : itemsOf(body.input.parameters);
    items.push(...carried);
    for (const job of 'job' in body ? [body.job] : new Set(carried.map(({ millrace }) => millrace.job))) {
      if (!arrivedAtMs.has(job)) arrivedAtMs.set(job, atMs);
      waiting.get(job)?.(atMs);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The endpoint has no port.');
  return {
    ...{ url: `http://127.0.0.1:${address.port}/v2/bench`, items, arrivedAtMs },
    arrivalOf(job) {
      const known = arrivedAtMs.get(job);
      return known !== undefined ? Promise.resolve(known) : new Promise((resolve) => waiting.set(job, resolve));
    },
    forget() {
      items.length = 0;
      arrivedAtMs.clear();
      waiting.clear();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function itemsOf(parameters: CarriedItem | { readonly segments: readonly CarriedItem[] }): readonly CarriedItem[] {
  return 'segments' in parameters ? parameters.segments : [parameters];
}
