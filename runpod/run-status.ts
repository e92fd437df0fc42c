/** What `/status/<id>` and `/health` answer, parsed. */
import { z } from 'zod';
import { withoutSecrets } from '../errors.ts';
import type { RunStatus } from '../pipeline/dispatcher.ts';
import { parseJsonText } from './json-text.ts';

/** `/run` and `/status` answer one document; what its status does not need may be missing or null. */
const StatusDocument = z.object({
  status: z.enum(['IN_QUEUE', 'IN_PROGRESS', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT']),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
  executionTime: z.number().min(0).nullish().catch(undefined),
});

export const Accepted = z.object({ id: z.string().min(1) });

const count = z.int().min(0).catch(0);
const NO_JOBS = { completed: 0, failed: 0, inProgress: 0, inQueue: 0, retried: 0 };
const NO_WORKERS = { idle: 0, initializing: 0, ready: 0, running: 0, throttled: 0, unhealthy: 0 };

export const EndpointHealth = z.object({
  jobs: z.object({ completed: count, failed: count, inProgress: count, inQueue: count, retried: count }).catch(NO_JOBS),
  workers: z
    .object({ idle: count, initializing: count, ready: count, running: count, throttled: count, unhealthy: count })
    .catch(NO_WORKERS),
});
export type EndpointHealth = z.infer<typeof EndpointHealth>;

/** A worker's own error is a JSON string of a few hundred characters; a Python traceback can be long. */
const MAX_ERROR_CHARACTERS = 4096;

/** `undefined` where the text is no status that is known. */
export function parseRunStatus(text: string): RunStatus | undefined {
  const parsed = StatusDocument.safeParse(parseJsonText(text));
  if (!parsed.success) return undefined;
  const { status, output, error, executionTime } = parsed.data;
  const executionMs = typeof executionTime === 'number' ? { executionMs: executionTime } : {};
  switch (status) {
    case 'IN_QUEUE':
      return { kind: 'queued' };
    case 'IN_PROGRESS':
    case 'RUNNING':
      return { kind: 'running' };
    case 'COMPLETED':
      return { kind: 'completed', ...(output === undefined || output === null ? {} : { output }), ...executionMs };
    case 'FAILED':
      return { kind: 'failed', error: errorText(error ?? output), ...executionMs };
    case 'CANCELLED':
      return { kind: 'cancelled', ...executionMs };
    case 'TIMED_OUT':
      return { kind: 'timed-out', ...executionMs };
  }
}

function errorText(error: unknown): string {
  if (error === undefined || error === null) return 'RunPod gave no reason.';
  const text = typeof error === 'string' ? error : JSON.stringify(error);
  return withoutSecrets(text).slice(0, MAX_ERROR_CHARACTERS);
}
