/** Telling RunPod that this worker cannot work, before it exits with status 1. */
import { withoutSecrets } from '../errors.ts';
import { httpCall } from './http-call.ts';
import type { WorkerEnvironment } from './worker-environment.ts';
import { unhealthyUrl } from './worker-urls.ts';

const REPORT_TIMEOUT_MS = 10_000;

/** `check` names what was looked at (`ffmpeg`, say). True when RunPod took the report. Never throws. */
export async function reportUnhealthy(
  environment: WorkerEnvironment,
  check: string,
  reason: string,
  options: { readonly fetch?: typeof fetch } = {},
): Promise<boolean> {
  if (environment.pingUrl === undefined) return false;
  const outcome = await httpCall({
    method: 'GET',
    url: unhealthyUrl(environment.pingUrl, check, withoutSecrets(reason)),
    authorization: environment.apiKey,
    timeoutMs: REPORT_TIMEOUT_MS,
    fetch: options.fetch,
  });
  return outcome.kind === 'answer' && outcome.status < 400;
}
