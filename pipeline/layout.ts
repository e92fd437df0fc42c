/** Where everything lies in the bucket: keys made from names, and names read back from keys. */
import { isJobKey, JOB_ID_PATTERN } from '../manifests/job-key.ts';
import type { ResultStatus } from '../manifests/result.ts';
import { WEBHOOK_OUTCOMES, type WebhookOutcome } from '../manifests/webhook-event.ts';

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

/**
 * `hold`: nothing of the job is dispatched before the time. `retry`: an item may be tried again from then on. A slot note says since
 * when the job has waited for a slot of an endpoint.
 */
export type WaitingKind = 'hold' | 'retry' | { readonly slotOf: string };

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
  /** How one attempt to send a webhook went. */
  webhookKey(job: string, name: WebhookName, outcome: WebhookOutcome): string;
  /** Whoever creates it makes that attempt. */
  webhookClaimKey(job: string, name: WebhookName): string;
  webhookClaimPrefix(job: string): string;
  stateKey(kind: StateKind, job: string, name: AttemptName): string;
  statePrefixOf(kind: StateKind | 'waiting', job: string): string;
  /** `random` keeps notes of one job apart; hex or digits. */
  waitingKey(job: string, atMs: number, random: string, kind?: WaitingKind): string;
  /** One slot of an endpoint's ceiling, named after the first attempt that its run carries. */
  slotKey(endpoint: string, job: string, name: AttemptName, random: string): string;
  readonly slotPrefix: string;
  sweepKey(minute: number): string;
  /** One audit, by the beginning of its interval; `done` once every job that it found has been looked at. */
  auditKey(startMs: number, done?: 'done'): string;
  readonly auditPrefix: string;
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
    webhookKey: (job, { id, attempt }, outcome) => `${jobFolder(job)}${WEBHOOKS}${id}.${attempt}.${outcome}.json`,
    webhookClaimKey: (job, { id, attempt }) => `${statePrefix}/${WEBHOOKS}${job}/${id}.${attempt}`,
    webhookClaimPrefix: (job) => `${statePrefix}/${WEBHOOKS}${job}/`,
    stateKey: (kind, job, name) => `${statePrefix}/${kind}/${job}/${attemptPath(name)}`,
    statePrefixOf: (kind, job) => `${statePrefix}/${kind}/${job}/`,
    waitingKey: (job, atMs, random, kind = 'hold') =>
      `${statePrefix}/waiting/${job}/${timeText(atMs)}-${kind === 'hold' ? '' : kind === 'retry' ? 'retry.' : `slot.${kind.slotOf}.`}${random}`,
    slotPrefix: `${statePrefix}/slots/`,
    slotKey: (endpoint, job, name, random) => `${statePrefix}/slots/${endpoint}/${job}/${attemptPath(name)}.${random}`,
    auditPrefix: `${statePrefix}/audits/`,
    auditKey: (startMs, done) => `${statePrefix}/audits/${timeText(startMs)}${done === undefined ? '' : '.done'}`,
    sweepKey: (minute) => `${statePrefix}/sweeps/${minute}`,
  };
}

export const WEBHOOKS = 'webhooks/';

/** One attempt to send one webhook. */
export interface WebhookName {
  readonly id: string;
  readonly attempt: number;
}

const WEBHOOK_NAME = new RegExp(`^([0-9a-f]+)\\.([0-9]+)(?:\\.(${WEBHOOK_OUTCOMES.join('|')})\\.json)?$`);

/** Reads `<id>.<attempt>`, a claim, or `<id>.<attempt>.<outcome>.json`; `null` for anything else that lies there. */
export function parseWebhookName(name: string): (WebhookName & { readonly outcome: WebhookOutcome | null }) | null {
  const [, id, attempt, outcome] = WEBHOOK_NAME.exec(name) ?? [];
  return id === undefined ? null : { id, attempt: Number(attempt), outcome: (outcome as WebhookOutcome | undefined) ?? null };
}

/** Enough for milliseconds until the year 5138, so that names sort by time. */
const TIME_DIGITS = 14;

const timeText = (atMs: number): string => String(Math.max(0, Math.ceil(atMs))).padStart(TIME_DIGITS, '0');

/** An item's name is its number, as `String` writes it: what has zeros in front, or more digits than a number is exact to, is not ours. */
const ATTEMPT_PATH = /^([a-z][a-z0-9-]*)\/(0|[1-9][0-9]{0,14})\/([0-9a-f]+)\.([0-9]+)$/;
const RESULT_PATH =
  /^([a-z][a-z0-9-]*)\/(0|[1-9][0-9]{0,14})\/([0-9a-f]+)\.([0-9]+)\.(succeeded|split|failed|cancelled|refused)\.json$/;
const WAITING_NAME = /^([0-9]{14})-(?:(retry)\.|slot\.([A-Za-z0-9][\w-]*)\.)?[0-9a-z]+$/;
const SLOT_PATH = /^([A-Za-z0-9][\w-]*)\/([^/]+)\/(.+)\.[0-9a-z]+$/;
const AUDIT_NAME = /^([0-9]{14})(\.done)?$/;

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

export interface WaitingName {
  /** Not before when; for a slot since when. Milliseconds since 1970. */
  readonly atMs: number;
  readonly kind: WaitingKind;
}

/** What a waiting note's name says; `null` for anything else that lies there. */
export function parseWaitingName(name: string): WaitingName | null {
  const [, time, retry, endpoint] = WAITING_NAME.exec(name) ?? [];
  if (time === undefined) return null;
  return { atMs: Number(time), kind: endpoint !== undefined ? { slotOf: endpoint } : retry === undefined ? 'hold' : 'retry' };
}

export interface SlotName {
  readonly endpoint: string;
  readonly job: string;
  /** The first attempt that the slot's run carries. */
  readonly name: AttemptName;
}

/** Reads `<endpoint>/<job>/<stage>/<item>/<fingerprint>.<attempt>.<random>`. */
export function parseSlotPath(path: string): SlotName | null {
  const [, endpoint, job, attemptPath] = SLOT_PATH.exec(path) ?? [];
  const name = parseAttemptPath(attemptPath ?? '');
  return endpoint === undefined || job === undefined || name === null ? null : { endpoint, job, name };
}

/** Reads `<beginning of the interval>` or `<beginning of the interval>.done`. */
export function parseAuditName(name: string): { readonly startMs: number; readonly done: boolean } | null {
  const [, time, done] = AUDIT_NAME.exec(name) ?? [];
  return time === undefined ? null : { startMs: Number(time), done: done !== undefined };
}
