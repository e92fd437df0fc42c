/** Who is told: the operator's receiver, of every job, and the one that a job names in its webhooks.json. */
import type { WebhookAttempt } from '../manifests/webhook-event.ts';
import type { Webhooks } from '../manifests/webhooks.ts';
import type { GuardedPost } from '../storage/guarded-post.ts';
import { digestOf } from './fingerprint.ts';
import { secretOfJob } from './webhook-signature.ts';

export interface WebhookSettings {
  /** Told of every job; `null` where only jobs' own receivers are. */
  readonly operator: { readonly url: string; readonly events: readonly string[] } | null;
  /** Raw keys; at least one. Every one of them signs. */
  readonly secrets: readonly Uint8Array[];
  readonly post: GuardedPost;
}

/** What is kept of a receiver. The path of its URL may hold a token, and is not. */
export type ReceiverRecord = Pick<WebhookAttempt, 'receiver' | 'origin' | 'url_digest'>;

export interface Receiver {
  readonly url: string;
  readonly events: readonly string[];
  readonly secrets: readonly Uint8Array[];
  readonly record: ReceiverRecord;
}

export function receiversOf({ operator, secrets }: WebhookSettings, job: string, own: Webhooks | null): Receiver[] {
  const receivers: Receiver[] = [];
  if (operator !== null) {
    receivers.push({ ...operator, secrets, record: { receiver: 'operator', origin: originOf(operator.url) } });
  }
  if (own !== null) {
    const record: ReceiverRecord = { receiver: 'job', origin: originOf(own.url), url_digest: digestOf([own.url]) };
    receivers.push({ url: own.url, events: own.events, secrets: secrets.map((secret) => secretOfJob(secret, job)), record });
  }
  return receivers;
}

/** The same of a document that holds more. */
export function recordOf({ receiver, origin, url_digest: digest }: ReceiverRecord): ReceiverRecord {
  return { receiver, origin, ...(digest === undefined ? {} : { url_digest: digest }) };
}

/** A job that names another URL has another receiver; the operator's may move without anything being told anew. */
export function isSameReceiver(a: ReceiverRecord, b: ReceiverRecord): boolean {
  return a.receiver === b.receiver && a.url_digest === b.url_digest;
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? 'an address that cannot be read';
}
