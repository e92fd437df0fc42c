/** One job of the local endpoint, as it is kept. */
import { z } from 'zod';

const JOB_STATUSES = ['IN_QUEUE', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** A row of the table. Times are milliseconds since 1970; `output` and `progress` are JSON text. */
export const Job = z.object({
  id: z.string(),
  endpoint: z.string(),
  status: z.enum(JOB_STATUSES),
  created_ms: z.int(),
  execution_timeout_ms: z.int(),
  ttl_ms: z.int(),
  retention_ms: z.int(),
  /** The worker that has it, or had it last. */
  worker_id: z.string().nullable(),
  /** How often a worker was given it, and how often it was put back because its worker was lost. */
  hand_outs: z.int(),
  put_backs: z.int(),
  started_ms: z.int().nullable(),
  /** When its worker last named it. */
  seen_ms: z.int().nullable(),
  ended_ms: z.int().nullable(),
  output: z.string().nullable(),
  error: z.string().nullable(),
});
export type Job = z.infer<typeof Job>;

export function hasEnded(job: Job): boolean {
  return job.status !== 'IN_QUEUE' && job.status !== 'IN_PROGRESS';
}

/** What `/status` answers. */
export function statusDocument(job: Job, nowMs: number): Record<string, unknown> {
  const { started_ms: startedMs, ended_ms: endedMs } = job;
  const executionTime = startedMs === null || endedMs === null ? {} : { executionTime: endedMs - startedMs };
  return {
    id: job.id,
    status: job.status,
    delayTime: (startedMs ?? endedMs ?? nowMs) - job.created_ms,
    ...executionTime,
    ...(job.worker_id === null ? {} : { workerId: job.worker_id }),
    ...(job.output === null ? {} : { output: JSON.parse(job.output) }),
    ...(job.error === null ? {} : { error: job.error }),
  };
}
