/** A deployment of separate processes on this machine: bucket and queue in one, the RunPod endpoint in another. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { RunContext } from '../../../manifests/run-context.ts';
import { startProcess, type TestProcess } from '../runpod/processes.ts';

export interface Deployment {
  /** For consumers, and for whoever looks. */
  readonly environment: Readonly<Record<string, string>>;
  readonly bucketFolder: string;
  workerEnvironment(workerId: string): Readonly<Record<string, string>>;
  /** The endpoint again, once it is gone: on its port, with its data. */
  startEndpoint(): TestProcess;
  readonly endpoint: TestProcess;
  stop(): Promise<void>;
}

/** One RunPod job of the endpoint's own book, which no consumer can be wrong about. */
export interface BookedRun {
  readonly createdMs: number;
  /** How often it was given to a worker. */
  readonly handOuts: number;
  readonly attempts: readonly Attempt[];
}

export type Attempt = Pick<RunContext, 'job' | 'stage' | 'item' | 'fingerprint' | 'attempt'>;

const Environment = z.record(z.string(), z.string());
const Endpoint = z.object({ runUrl: z.string(), worker: Environment });

export async function startDeployment(directory: string): Promise<Deployment> {
  const storage = startProcess('../chaos/bucket-and-queue-process.ts', [join(directory, 'stack')]);
  const bucket = Environment.parse(JSON.parse(await firstLineOf(storage)));
  const apiKey = randomUUID();
  const endpointArguments = [join(directory, 'runpod'), apiKey];
  const endpoint = startProcess('../chaos/endpoint-process.ts', [...endpointArguments, '0']);
  const { runUrl, worker } = Endpoint.parse(JSON.parse(await firstLineOf(endpoint)));
  const running = { endpoint };
  return {
    environment: { ...bucket, RUNPOD_ENDPOINT: runUrl, RUNPOD_API_KEY: apiKey },
    bucketFolder: join(directory, 'stack', 'bucket', 'videos'),
    workerEnvironment: (workerId) => ({
      ...worker,
      RUNPOD_POD_ID: workerId,
      HTTP_ALLOW_HOSTS: new URL(bucket.S3_ENDPOINT_URL ?? '').host,
    }),
    startEndpoint() {
      running.endpoint = startProcess('../chaos/endpoint-process.ts', [...endpointArguments, new URL(runUrl).port]);
      return running.endpoint;
    },
    get endpoint() {
      return running.endpoint;
    },
    async stop() {
      await running.endpoint.kill();
      await storage.kill();
    },
  };
}

async function firstLineOf({ firstLine, exited }: TestProcess): Promise<string> {
  const ended = exited.then(({ stderr }) => Promise.reject(new Error(`a process ended before it was ready:\n${stderr}`)));
  return Promise.race([firstLine, ended]);
}

const Carried = z.object({ millrace: RunContext });
const RunInput = z.object({ parameters: z.union([z.object({ segments: z.array(Carried) }), Carried]) });

/** Every run that the endpoint ever took, oldest first. */
export function readBook(directory: string): BookedRun[] {
  const database = new DatabaseSync(join(directory, 'runpod', 'endpoint.sqlite'), { readOnly: true });
  try {
    const rows = database.prepare('SELECT created_ms, hand_outs, input FROM jobs ORDER BY number').all();
    return rows.map(({ created_ms, hand_outs, input }) => {
      const { parameters } = RunInput.parse(JSON.parse(String(input)));
      const carried = 'segments' in parameters ? parameters.segments : [parameters];
      return { createdMs: Number(created_ms), handOuts: Number(hand_outs), attempts: carried.map(({ millrace }) => millrace) };
    });
  } finally {
    database.close();
  }
}
