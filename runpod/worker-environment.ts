/** What RunPod tells a container in its environment, read once and with its placeholders filled in. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { MillraceError } from '../errors.ts';
import { fillUrl } from './fill-url.ts';

/** Plain data, because the pinging thread gets a copy of it. */
export interface WorkerEnvironment {
  readonly workerId: string;
  readonly endpointId: string | undefined;
  /** Sent raw, without `Bearer`. */
  readonly apiKey: string;
  readonly takeUrl: string;
  /** Still holds `$ID`: the job's. */
  readonly resultUrl: string;
  /** Without one no pings are sent. */
  readonly pingUrl: string | undefined;
  readonly pingIntervalMs: number;
}

const DEFAULT_PING_INTERVAL_MS = 10_000;
/** A mistyped interval must not turn pings into a flood, nor into silence. */
const PING_INTERVAL_MS = { least: 50, most: 60_000 };

/** An unset variable of a container is often an empty one. */
const optionalText = z
  .string()
  .optional()
  .transform((text) => (text === undefined || text.trim() === '' ? undefined : text.trim()));
const url = z.string({ error: 'is missing' }).regex(/^https?:\/\/\S+$/, { error: 'is not an http(s) URL' });

const Variables = z.object({
  RUNPOD_WEBHOOK_GET_JOB: url,
  RUNPOD_WEBHOOK_POST_OUTPUT: url,
  RUNPOD_WEBHOOK_PING: optionalText.pipe(url.optional()),
  RUNPOD_PING_INTERVAL: optionalText
    .transform((text) => (text === undefined ? undefined : Number(text)))
    .pipe(z.number({ error: 'is not a number of milliseconds' }).optional()),
  RUNPOD_AI_API_KEY: z
    .string({ error: 'is missing' })
    .trim()
    .regex(/^[\x21-\x7e]+$/, { error: 'is empty or holds a space' }),
  RUNPOD_POD_ID: optionalText,
  RUNPOD_GPU_TYPE_ID: optionalText,
  RUNPOD_ENDPOINT_ID: optionalText,
});

/** True in a container that RunPod started (or in one that was made to look so). */
export function isRunpodWorker(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env.RUNPOD_WEBHOOK_GET_JOB ?? '') !== '';
}

/** Throws CONFIG_INVALID, naming the variables and never their values. */
export function parseWorkerEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  newId: () => string = randomUUID,
): WorkerEnvironment {
  const parsed = Variables.safeParse(env);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ');
    throw new MillraceError('CONFIG_INVALID', `RunPod's environment cannot be used: ${faults}.`, {
      fix: 'RunPod sets these itself; outside RunPod use test_input.json or the local endpoint.',
    });
  }
  const variables = parsed.data;
  const workerId = variables.RUNPOD_POD_ID ?? newId();
  const gpuTypeId = variables.RUNPOD_GPU_TYPE_ID ?? '';
  const fill = (template: string, placeholders: Readonly<Record<string, string>>) =>
    fillUrl(template, { $RUNPOD_POD_ID: workerId, $RUNPOD_GPU_TYPE_ID: gpuTypeId, ...placeholders });
  const interval = variables.RUNPOD_PING_INTERVAL ?? DEFAULT_PING_INTERVAL_MS;
  return {
    workerId,
    endpointId: variables.RUNPOD_ENDPOINT_ID,
    apiKey: variables.RUNPOD_AI_API_KEY,
    takeUrl: fill(variables.RUNPOD_WEBHOOK_GET_JOB, { $ID: workerId }),
    resultUrl: fill(variables.RUNPOD_WEBHOOK_POST_OUTPUT, {}),
    pingUrl: variables.RUNPOD_WEBHOOK_PING === undefined ? undefined : fill(variables.RUNPOD_WEBHOOK_PING, {}),
    pingIntervalMs: Math.min(Math.max(Math.round(interval), PING_INTERVAL_MS.least), PING_INTERVAL_MS.most),
  };
}
