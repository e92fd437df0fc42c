/** Where everything lies in the bucket: keys made from names, and names read back from keys. */
import { isJobKey, JOB_ID_PATTERN } from '../manifests/job-key.ts';
import type { ResultStatus } from '../manifests/result.ts';

export interface LayoutSettings {
  /** The notified prefix, without a slash at its end: `pipelines`. */
  readonly pipelinesPrefix: string;
  /** Outside the notified prefix, or claims would wake the job they belong to: `pipelines-state`. */
  readonly statePrefix: string;
}

export const DEFAULT_LAYOUT: LayoutSettings = { pipelinesPrefix: 'pipelines', statePrefix: 'pipelines-state' };

/** One attempt at one item with one fingerprint. */
export interface AttemptName {
  readonly stage: string;
  readonly item: string;
  readonly fingerprint: string;
  readonly attempt: number;
}

export type StateKind = 'claims' | 'runs' | 'retries';

export interface Layout {
  readonly pipelinesPrefix: string;
  readonly statePrefix: string;
  /** `pipelines/<job>/` */
  jobFolder(job: string): string;
  /** The whole key of a key inside the job's folder. */
  jobKey(job: string, key: string): string;
  /** The job that a key belongs to: `null` outside the prefix, `'invalid'` where the id is none. */
  jobOf(key: string): { readonly job: string; readonly key: string } | 'invalid' | null;
  resultKey(job: string, name: AttemptName, status: ResultStatus): string;
  /** All results of one attempt, whatever their status, start with this. */
  resultPrefix(job: string, name: AttemptName): string;
  problemKey(job: string, problem: string): string;
  stateKey(kind: StateKind, job: string, name: AttemptName): string;
  statePrefixOf(kind: StateKind | 'waiting', job: string): string;
  waitingKey(job: string, notBeforeMs: number, random: string): string;
  sweepKey(minute: number): string;
  /** Where consumers prove at start that conditional creation works. */
  readonly proofPrefix: string;
}

export function createLayout({ pipelinesPrefix, statePrefix }: LayoutSettings = DEFAULT_LAYOUT): Layout {
  const folder = `${pipelinesPrefix}/`;
  const attemptPath = ({ stage, item, fingerprint, attempt }: AttemptName) => `${stage}/${item}/${fingerprint}.${attempt}`;
  const jobFolder = (job: string) => `${folder}${job}/`;
  return {
    pipelinesPrefix,
    statePrefix,
    proofPrefix: `${statePrefix}/proofs/`,
    jobFolder,
    jobKey: (job, key) => `${jobFolder(job)}${key}`,
    jobOf(key) {
      if (!key.startsWith(folder)) return null;
      const rest = key.slice(folder.length);
      const slash = rest.indexOf('/');
      if (slash < 0) return null;
      const job = rest.slice(0, slash);
      const inside = rest.slice(slash + 1);
      if (!JOB_ID_PATTERN.test(job)) return 'invalid';
      if (inside === '') return { job, key: '' };
      return isJobKey(inside.endsWith('/') ? inside.slice(0, -1) : inside) ? { job, key: inside } : 'invalid';
    },
    resultKey: (job, name, status) => `${jobFolder(job)}results/${attemptPath(name)}.${status}.json`,
    resultPrefix: (job, name) => `${jobFolder(job)}results/${attemptPath(name)}.`,
    problemKey: (job, problem) => `${jobFolder(job)}problems/${problem}.json`,
    stateKey: (kind, job, name) => `${statePrefix}/${kind}/${job}/${attemptPath(name)}`,
    statePrefixOf: (kind, job) => `${statePrefix}/${kind}/${job}/`,
    waitingKey: (job, notBeforeMs, random) =>
      `${statePrefix}/waiting/${job}/${String(Math.max(0, Math.ceil(notBeforeMs))).padStart(TIME_DIGITS, '0')}-${random}`,
    sweepKey: (minute) => `${statePrefix}/sweeps/${minute}`,
  };
}

/** Enough for milliseconds until the year 5138, so that notes sort by time. */
const TIME_DIGITS = 14;

const ATTEMPT_PATH = /^([a-z][a-z0-9-]*)\/([0-9]+)\/([0-9a-f]+)\.([0-9]+)$/;
const RESULT_PATH = /^([a-z][a-z0-9-]*)\/([0-9]+)\/([0-9a-f]+)\.([0-9]+)\.(succeeded|failed|cancelled|refused)\.json$/;
const WAITING_NAME = /^([0-9]{14})-/;

/** Reads `<stage>/<item>/<fingerprint>.<attempt>`; `null` for anything else that lies there. */
export function parseAttemptPath(path: string): AttemptName | null {
  const [, stage, item, fingerprint, attempt] = ATTEMPT_PATH.exec(path) ?? [];
  if (stage === undefined || item === undefined || fingerprint === undefined) return null;
  return { stage, item, fingerprint, attempt: Number(attempt) };
}

/** Reads `<stage>/<item>/<fingerprint>.<attempt>.<status>.json`. */
export function parseResultPath(path: string): (AttemptName & { readonly status: ResultStatus }) | null {
  const [, stage, item, fingerprint, attempt, status] = RESULT_PATH.exec(path) ?? [];
  if (stage === undefined || item === undefined || fingerprint === undefined) return null;
  return { stage, item, fingerprint, attempt: Number(attempt), status: status as ResultStatus };
}

/** When a waiting note lets its job go on, in milliseconds since 1970, read from the note's name. */
export function parseWaitingName(name: string): number | null {
  const time = WAITING_NAME.exec(name)?.[1];
  return time === undefined ? null : Number(time);
}
