/** The URLs of the worker's calls. Pure, and free of heavy imports: the pinging thread loads it. */
import { fillUrl } from './fill-url.ts';
import type { WorkerEnvironment } from './worker-environment.ts';

/** The release of RunPod's own SDK whose wire protocol this worker speaks; pings carry it. */
const PROTOCOL_VERSION = '1.12.0';

/** RunPod's limit for the reason that an unhealthy worker gives. */
const MAX_REASON_CHARACTERS = 256;

export function takeUrl(
  environment: WorkerEnvironment,
  { batchSize, jobInProgress }: { readonly batchSize: number; readonly jobInProgress: boolean },
): string {
  const url = batchSize > 1 ? environment.takeUrl.replace('/job-take/', '/job-take-batch/') : environment.takeUrl;
  return withParameters(url, {
    ...(batchSize > 1 ? { batch_size: String(batchSize) } : {}),
    job_in_progress: jobInProgress ? '1' : '0',
  });
}

/** `undefined` where the take URL is of a shape that names no stop list. */
export function stopListUrl(environment: WorkerEnvironment): string | undefined {
  const url = environment.takeUrl.replace('/job-take/', '/job-stop/');
  return url === environment.takeUrl ? undefined : url;
}

/** Both results and progress go there. */
export function resultUrl(environment: WorkerEnvironment, jobId: string): string {
  return withParameters(fillUrl(environment.resultUrl, { $ID: jobId }), { isStream: 'false' });
}

export function pingUrl(pingUrlTemplate: string, jobIds: readonly string[]): string {
  return withParameters(pingUrlTemplate, {
    ...(jobIds.length === 0 ? {} : { job_id: jobIds.join(',') }),
    runpod_version: PROTOCOL_VERSION,
  });
}

export function unhealthyUrl(pingUrlTemplate: string, check: string, reason: string): string {
  return withParameters(pingUrlTemplate, {
    status: 'unhealthy',
    check,
    reason: reason.slice(0, MAX_REASON_CHARACTERS),
    runpod_version: PROTOCOL_VERSION,
  });
}

/** The URL's own query stays as it is, byte for byte. */
function withParameters(url: string, parameters: Readonly<Record<string, string>>): string {
  const separator = !url.includes('?') ? '?' : /[?&]$/.test(url) ? '' : '&';
  return `${url}${separator}${new URLSearchParams(parameters)}`;
}
