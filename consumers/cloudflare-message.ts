/** One pulled Cloudflare message: its lease while it is worked on, and its end on the queue. */
import { asMillraceError, MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { PulledMessage } from './cloudflare-answer.ts';
import type { CloudflareClient } from './cloudflare-client.ts';
import type { PolicyReader, QueuePolicy } from './cloudflare-policy.ts';
import type { Settler } from './cloudflare-settler.ts';
import { createNote, noteAttributes, readReplays, unwrapBody, wrapBody } from './dead-letter-note.ts';
import type { HandleMessage } from './queue-message.ts';
import { type Outcome, retryDelaySeconds } from './settle.ts';

export interface CloudflareQueue {
  readonly client: CloudflareClient;
  readonly settler: Settler;
  /** That of the queue's settings unless given. Without any, or where sending fails, the message is left for the queue itself. */
  readonly deadLetterClient: CloudflareClient | undefined;
  readonly policy: PolicyReader;
  readonly visibilityTimeoutMs: number;
  /** Called where an extension was answered without a new lease id. */
  readonly onUnknownLease: () => void;
  readonly log: Logger;
  readonly onDeadLetter?: ((error: MillraceError) => void) | undefined;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

/** Three tries to extend a lease before it ends. */
const HEARTBEATS_PER_LEASE = 3;

/**
 * Handles and settles one message. Never throws. `stop` ends the work and gives the message back to the queue. `leasedAtMs` is when
 * the pull was sent, by `performance.now()`.
 */
export async function settleCloudflareMessage(
  queue: CloudflareQueue,
  message: PulledMessage,
  leasedAtMs: number,
  handle: HandleMessage,
  stop: AbortSignal,
): Promise<void> {
  const { id, attempts: receiveCount } = message;
  const log = queue.log.child({ messageId: id, receiveCount });
  const { body, attributes } = unwrapBody(message.body);
  const replays = readReplays(attributes);
  const lease = holdLease(queue, message.leaseId, leasedAtMs, log);
  let outcome: Outcome;
  try {
    outcome = await handle(
      { id, body, sentAtMs: message.sentAtMs, attributes, receiveCount, replays },
      AbortSignal.any([lease.lost, stop]),
    );
  } catch (thrown) {
    const error = asMillraceError(thrown);
    log.error({ error }, 'a message could not be handled');
    outcome = { kind: 'retry', delaySeconds: retryDelaySeconds(receiveCount, queue.random), error };
  }
  await lease.release();
  try {
    await settle({ queue, message, body, receiveCount, replays, log, lease, stop }, outcome);
  } catch (thrown) {
    // The message comes back when its lease ends: doing it again is harmless.
    log.warn({ error: asMillraceError(thrown), outcome: outcome.kind }, 'a message could not be settled');
  }
}

interface Settling {
  readonly queue: CloudflareQueue;
  readonly message: PulledMessage;
  /** Without the note around it. */
  readonly body: string;
  readonly receiveCount: number;
  readonly replays: number;
  readonly log: Logger;
  readonly lease: Lease;
  readonly stop: AbortSignal;
}

async function settle(settling: Settling, outcome: Outcome): Promise<void> {
  const { queue, receiveCount, lease, stop } = settling;
  // Whoever has the message now settles it.
  if (lease.lost.aborted) return;
  if (outcome.kind === 'done') return queue.settler.ack(lease.id());
  const policy = await queue.policy.read();
  // What follows sends the message on: not where it may have been handed to somebody else already.
  if (!lease.isHeld()) return;
  const isLast = policy?.maxRetries !== undefined && receiveCount > policy.maxRetries;
  // Stopped work says nothing about the message.
  const isStopped = outcome.kind === 'retry' && (stop.aborted || outcome.error.code === 'CANCELLED');
  if (isStopped) {
    if (isLast) return giveBackAnew(settling);
    return queue.settler.retry(lease.id(), stop.aborted ? 0 : outcome.delaySeconds);
  }
  if ((outcome.kind === 'dead-letter' || isLast) && (await sendToDeadLetters(settling, outcome.error, policy))) {
    return queue.settler.ack(lease.id());
  }
  const delaySeconds = outcome.kind === 'retry' ? outcome.delaySeconds : retryDelaySeconds(receiveCount, queue.random);
  await queue.settler.retry(lease.id(), delaySeconds);
}

/** A retry of the last attempt would end a good message in the dead-letter queue, or nowhere: a copy begins to count anew. */
async function giveBackAnew({ queue, message, lease, log }: Settling): Promise<void> {
  await queue.client.send(message.body);
  await queue.settler.ack(lease.id());
  log.info('stopped work on the last attempt at a message: it was sent to its queue again');
}

/** True once the dead-letter queue has it. */
async function sendToDeadLetters(settling: Settling, error: MillraceError, policy: QueuePolicy | undefined): Promise<boolean> {
  const { queue, body, receiveCount, replays, log } = settling;
  const deadLetterClient = queue.deadLetterClient ?? policy?.deadLetterClient;
  if (deadLetterClient === undefined) {
    log.warn({ error }, 'a message belongs in the dead-letter queue, but none is known: the queue itself moves or deletes it');
    return false;
  }
  const note = createNote({ error, receiveCount, replays, nowMs: Date.now() });
  try {
    await deadLetterClient.send(wrapBody(body, noteAttributes(note)));
    log.warn({ error }, 'a message was sent to the dead-letter queue');
    queue.onDeadLetter?.(error);
    return true;
  } catch (thrown) {
    log.error(
      { error, sending: asMillraceError(thrown).message },
      'the dead-letter queue failed: the message is left for the queue itself to move',
    );
    return false;
  }
}

interface Lease {
  /** The latest: each extension gives the message another one. */
  id(): string;
  /** Aborted when the message is no longer ours. */
  readonly lost: AbortSignal;
  /** By the clock: false too where this process slept through the end of the lease and nobody has told it yet. */
  isHeld(): boolean;
  release(): Promise<void>;
}

/** Extends the message's lease until released. */
function holdLease(queue: CloudflareQueue, leaseId: string, leasedAtMs: number, log: Logger): Lease {
  const lengthMs = queue.visibilityTimeoutMs;
  const lost = new AbortController();
  const giveUp = new AbortController();
  let id = leaseId;
  let endsAtMs = leasedAtMs + lengthMs;
  let beating: Promise<void> | undefined;

  const lose = (reason: string) => {
    clearInterval(heartbeat);
    if (lost.signal.aborted) return;
    log.warn({ reason }, 'the lease of a message is lost: its work is stopped');
    lost.abort(new MillraceError('CANCELLED', 'the lease of the message is lost'));
    giveUp.abort();
  };
  const beat = async () => {
    const sentAtMs = performance.now();
    try {
      const extended = await queue.client.extend(id, lengthMs, giveUp.signal);
      if (extended.kind === 'lost') return lose('the queue does not know the lease');
      if (extended.leaseId === undefined) queue.onUnknownLease();
      else id = extended.leaseId;
      endsAtMs = sentAtMs + lengthMs;
    } catch (thrown) {
      if (!lost.signal.aborted) {
        log.warn({ error: asMillraceError(thrown) }, 'the lease of a message could not be extended; trying again');
      }
    }
  };
  const heartbeat = setInterval(() => {
    if (performance.now() >= endsAtMs) return lose('its time is over');
    beating ??= beat().finally(() => {
      beating = undefined;
    });
  }, lengthMs / HEARTBEATS_PER_LEASE);
  return {
    id: () => id,
    lost: lost.signal,
    isHeld: () => performance.now() < endsAtMs,
    async release() {
      clearInterval(heartbeat);
      // An extension under way may just be giving the message another lease id: without it the message could not be settled.
      await beating;
    },
  };
}
