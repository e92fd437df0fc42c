/**
 * Dead letters of Pub/Sub, from a subscription on the dead-letter topic. Pub/Sub hands messages out a few at a time and never says
 * that those were all: what is taken here may be less than what there is.
 */
import { MillraceError } from '../../errors.ts';
import { readSubscription } from '../pubsub-calls.ts';
import { isTransient, type PubsubClient, pubsubError, statusOf } from '../pubsub-client.ts';
import { readLetter } from './dead-letter.ts';
import type { LetterSource, Outcomes, TakenLetter } from './letter-queue.ts';

export interface PubsubLettersOptions {
  readonly client: PubsubClient;
  readonly subscription: string;
  readonly pipelinesPrefix: string;
}

const MAX_PULL = 100;
/** A pull that finds nothing waits for something; one that was given up may have taken messages with it, so it is given time. */
const PULL_TIMEOUT_MS = 2_000;
const EMPTY_PULLS_AT_END = 2;
const CALL_TIMEOUT_MS = 10_000;
/** How long letters in hand are hidden, whatever the subscription says: as long as sending and removing a batch may take. */
const IN_HAND_SECONDS = 20;
/** Letters that stay are extended well before this is over. */
const HOLD_SECONDS = 30;
const RENEW_MS = 10_000;
/** Handles of one request: each has some 200 bytes, and a request 512 KB. */
const MAX_HANDLES = 1_000;

const MAY_BE_PARTIAL =
  'Pub/Sub does not say how many messages a subscription holds, nor when it has handed out all: there may be more. What a killed command had in hand comes back within a minute.';
const OWN_POLICY =
  'The subscription has a dead-letter policy of its own: each look counts as a delivery, and letters that were looked at too often move on.';

export function createPubsubLetters({ client, subscription, pipelinesPrefix }: PubsubLettersOptions): LetterSource {
  const { subscriber } = client;
  const once = { timeout: CALL_TIMEOUT_MS, retry: null };
  /** By message id, with the latest handle. */
  const held = new Map<string, string>();
  const inHand = new Set<string>();
  const removed = new Set<string>();
  let renewing: Promise<void> | undefined;
  const renewal = setInterval(() => {
    renewing ??= setDeadline([...held.values()], HOLD_SECONDS).finally(() => {
      renewing = undefined;
    });
  }, RENEW_MS);
  renewal.unref();

  async function pull(most: number): Promise<TakenLetter[]> {
    try {
      const request = { subscription, maxMessages: Math.min(MAX_PULL, most) };
      const [{ receivedMessages }] = await subscriber.pull(request, { timeout: PULL_TIMEOUT_MS, retry: null });
      return (receivedMessages ?? []).flatMap(({ ackId, message }) => {
        if (!ackId || !message?.messageId) return [];
        const { messageId: id, data, attributes, publishTime } = message;
        const body = typeof data === 'string' ? data : Buffer.from(data ?? []).toString('utf8');
        const sentAtMs = publishTime?.seconds == null ? undefined : Number(publishTime.seconds) * 1000;
        const letter = readLetter({ id, body, attributes: attributes ?? {}, sentAtMs }, pipelinesPrefix);
        return [{ letter, key: id, receipt: ackId }];
      });
    } catch (thrown) {
      if (statusOf(thrown) === 'DEADLINE_EXCEEDED') return [];
      throw failure(thrown, `to pull from ${subscription}`);
    }
  }

  async function hold(letters: readonly TakenLetter[]): Promise<void> {
    for (const { key, receipt } of letters) {
      held.set(key, receipt);
      inHand.delete(key);
    }
    await setDeadline(
      letters.map(({ receipt }) => receipt),
      HOLD_SECONDS,
    );
  }

  async function remove(letters: readonly TakenLetter[]): Promise<Outcomes> {
    try {
      await subscriber.acknowledge({ subscription, ackIds: letters.map(({ receipt }) => receipt) }, once);
    } catch (thrown) {
      throw failure(thrown, `to acknowledge on ${subscription}`);
    }
    for (const { key } of letters) {
      removed.add(key);
      inHand.delete(key);
    }
    return letters.map(() => undefined);
  }

  /** A message whose deadline cannot be changed shows itself again by itself. 0 gives it back. */
  async function setDeadline(ackIds: readonly string[], ackDeadlineSeconds: number): Promise<void> {
    for (let at = 0; at < ackIds.length; at += MAX_HANDLES) {
      const request = { subscription, ackIds: ackIds.slice(at, at + MAX_HANDLES), ackDeadlineSeconds };
      await subscriber.modifyAckDeadline(request, once).catch(() => undefined);
    }
  }

  return {
    name: subscription,
    async take(most, signal) {
      for (let empty = 0; empty < EMPTY_PULLS_AT_END && !signal.aborted; ) {
        const pulled = await pull(most);
        empty = pulled.length === 0 ? empty + 1 : 0;
        // Delivered once more than asked for: a lease that ran out, or an acknowledgement that came too late.
        const again = pulled.filter(({ key }) => removed.has(key));
        if (again.length > 0) await remove(again);
        await hold(pulled.filter(({ key }) => held.has(key) || inHand.has(key)));
        const fresh = pulled.filter(({ key }) => !removed.has(key) && !held.has(key) && !inHand.has(key));
        for (const { key } of fresh) inHand.add(key);
        if (fresh.length === 0) continue;
        await setDeadline(
          fresh.map(({ receipt }) => receipt),
          IN_HAND_SECONDS,
        );
        return fresh;
      }
      return [];
    },
    hold,
    remove,
    async state() {
      try {
        const { maxDeliveryAttempts } = await readSubscription(client, subscription);
        const warnings = maxDeliveryAttempts === undefined ? [MAY_BE_PARTIAL] : [MAY_BE_PARTIAL, OWN_POLICY];
        return { letters: undefined, hidden: undefined, warnings };
      } catch (thrown) {
        throw failure(thrown, `to look at ${subscription}`);
      }
    },
    async close() {
      clearInterval(renewal);
      await renewing;
      await setDeadline([...held.values()], 0);
      held.clear();
    },
  };
}

/** QUEUE_UNREACHABLE where trying again can help, else what `pubsubError` says. */
export function failure(thrown: unknown, doing: string): MillraceError {
  if (!isTransient(thrown)) return pubsubError(thrown, doing);
  const reason = statusOf(thrown) ?? 'unknown';
  return new MillraceError('QUEUE_UNREACHABLE', `Pub/Sub did not answer ${doing} (${reason}).`, { context: { reason } });
}
