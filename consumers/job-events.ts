/** Which job an object event asks to look at. */
import { MillraceError } from '../errors.ts';
import { JOB_ID_PATTERN } from '../manifests/job-key.ts';
import type { ObjectEvent } from './object-event.ts';

export interface JobEventSettings {
  /** The bucket that holds the jobs; events of any other are refused. */
  readonly bucket: string;
  /** `pipelines`; a trailing slash may be there. */
  readonly pipelinesPrefix: string;
}

export type JobOfEvent =
  | { readonly kind: 'job'; readonly job: string }
  | { readonly kind: 'ignored'; readonly reason: string }
  /** BUCKET_NOT_ALLOWED or KEY_INVALID. */
  | { readonly kind: 'refused'; readonly error: MillraceError };

export function jobOfEvent({ bucket, key, kind }: ObjectEvent, settings: JobEventSettings): JobOfEvent {
  if (bucket !== settings.bucket) {
    const context = { bucket, allowed: settings.bucket };
    return refused('BUCKET_NOT_ALLOWED', `an event came from the bucket ${shown(bucket)}`, context);
  }
  if (kind === 'other') return { kind: 'ignored', reason: 'no change of content' };
  const prefix = `${settings.pipelinesPrefix.replace(/\/+$/, '')}/`;
  if (!key.startsWith(prefix)) return { kind: 'ignored', reason: `outside of ${prefix}` };
  const path = key.slice(prefix.length);
  const slash = path.indexOf('/');
  if (slash === -1) return { kind: 'ignored', reason: "not inside a job's folder" };
  const job = path.slice(0, slash);
  if (!JOB_ID_PATTERN.test(job)) return refused('KEY_INVALID', `${shown(job)} is no job id`, { bucket, key: shown(key) });
  // A problem is written because of an event: reading its own event would wake the job for ever.
  if (path.startsWith('problems/', slash + 1)) return { kind: 'ignored', reason: 'a problem object' };
  if (path.startsWith('webhooks/', slash + 1)) return { kind: 'ignored', reason: 'how a webhook went' };
  return { kind: 'job', job };
}

function refused(code: 'BUCKET_NOT_ALLOWED' | 'KEY_INVALID', message: string, context: Record<string, string>): JobOfEvent {
  return { kind: 'refused', error: new MillraceError(code, message, { context }) };
}

const MAX_SHOWN_CHARACTERS = 120;

/** Quoted and short: whoever may write into the bucket chose this text. */
function shown(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text);
}
