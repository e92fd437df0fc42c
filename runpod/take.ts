/** Taking jobs: one long poll, and what its answer means. */
import { z } from 'zod';
import { parseJsonText } from './json-text.ts';
import { longPoll, type WorkerLine } from './worker-line.ts';
import { takeUrl } from './worker-urls.ts';

/** `input` is undefined where RunPod sent none: such a job is answered with an error. */
export interface TakenJob {
  readonly id: string;
  readonly input: unknown;
}

export type Take =
  /** `nameless` counts jobs without an id: there is nowhere to send their error to. */
  | { readonly kind: 'jobs'; readonly jobs: readonly TakenJob[]; readonly nameless: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'slow-down'; readonly waitMs: number }
  | { readonly kind: 'error'; readonly reason: string };

const SLOW_DOWN_MS = 5_000;

/** Beside these RunPod sends `webhook`, `delayTime` and more, none of which is the worker's business. */
const Job = z.object({ id: z.string().min(1), input: z.unknown().optional() });

/** Idle answers: 204, and under FlashBoot 400. */
const NO_JOB = new Set([204, 400]);

export async function takeJobs(
  line: WorkerLine,
  wanted: { readonly batchSize: number; readonly jobInProgress: boolean },
  signal: AbortSignal,
): Promise<Take> {
  const outcome = await longPoll(line, takeUrl(line.environment, wanted), signal);
  if (outcome.kind === 'no-answer' && (signal.aborted || outcome.reason === 'no answer in time')) return { kind: 'none' };
  if (outcome.kind !== 'answer') return { kind: 'error', reason: outcome.reason };
  if (NO_JOB.has(outcome.status)) return { kind: 'none' };
  if (outcome.status === 429) return { kind: 'slow-down', waitMs: Math.max(outcome.retryAfterMs ?? 0, SLOW_DOWN_MS) };
  if (outcome.status !== 200) return { kind: 'error', reason: `RunPod answered ${outcome.status}` };
  return readJobs(outcome.text);
}

/** One job, or an array of them: a batch take may answer either. */
export function readJobs(text: string): Take {
  if (text.trim() === '') return { kind: 'none' };
  const answer = parseJsonText(text);
  if (answer === null) return { kind: 'none' };
  const entries = Array.isArray(answer) ? answer : [answer];
  const parsed = entries.map((entry) => Job.safeParse(entry));
  const jobs = parsed.flatMap(({ success, data }) => (success ? [{ id: data.id, input: data.input ?? undefined }] : []));
  if (entries.length === 0) return { kind: 'none' };
  return { kind: 'jobs', jobs, nameless: entries.length - jobs.length };
}
