/** A queue like SQS: at least once, in no order, messages hidden while somebody works on them, and set aside after too many tries. */
import type { QueueMessage } from '../../consumers/queue-message.ts';
import type { Random } from './random.ts';
import type { Schedule } from './schedule.ts';
import { MINUTE_MS, SECOND_MS, type Troubles } from './settings.ts';

/** The right to settle one message, for as long as the lease lasts. */
export interface Receipt {
  /** The work is over: the lease is extended no more. */
  stopExtending(): void;
  delete(): void;
  /** Makes the message visible again after so long. */
  hide(delayMs: number): void;
  /** Somebody else may have the message by now. */
  readonly isLost: () => boolean;
}

export interface Receiver {
  readonly isAlive: () => boolean;
  /** `lost` is aborted when the lease is. */
  take(message: QueueMessage, receipt: Receipt, lost: AbortSignal): void;
}

export interface Queue {
  /** Adds one message, unless it is lost on the way. */
  send(body: string): void;
  /** Messages that wait, are in flight, hidden, or set aside. */
  unsettled(): number;
  /** What an operator does with messages that were set aside. */
  replayDeadLetters(): void;
}

export interface QueueOptions {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly troubles: Troubles;
  /** Somebody who would take a message now. */
  readonly receiver: () => Receiver | undefined;
  readonly tell: (line: string) => void;
}

/** As in infra/aws. */
const LEASE_MS = MINUTE_MS;
const MAX_RECEIVES = 5;
const POLL_MS = 5 * SECOND_MS;
const MAX_DELAY_MS = 15 * MINUTE_MS;

interface Stored {
  readonly id: string;
  readonly body: string;
  receiveCount: number;
  isGone: boolean;
}

export function createQueue({ schedule, random, troubles, receiver, tell }: QueueOptions): Queue {
  const deadLetters: Stored[] = [];
  let sent = 0;
  let unsettled = 0;

  function enqueue(body: string): void {
    sent += 1;
    unsettled += 1;
    const isLate = random.chance(troubles.delayEvent);
    const message = { id: `message-${sent}`, body, receiveCount: 0, isGone: false };
    schedule.after(random.between(50, isLate ? MAX_DELAY_MS : 5 * SECOND_MS), () => deliver(message));
  }

  function deliver(message: Stored): void {
    if (message.isGone) return;
    const taker = receiver();
    if (taker === undefined) {
      schedule.after(POLL_MS, () => deliver(message));
      return;
    }
    message.receiveCount += 1;
    if (message.receiveCount > MAX_RECEIVES) {
      tell(`${message.id} was received ${MAX_RECEIVES} times and is set aside`);
      deadLetters.push(message);
      message.isGone = true;
      unsettled -= 1;
      return;
    }
    lease(message, taker);
  }

  function lease(message: Stored, taker: Receiver): void {
    const number = message.receiveCount;
    const lost = new AbortController();
    let isReleased = false;
    let isExtended = true;
    const isLost = (): boolean => lost.signal.aborted || message.isGone || message.receiveCount !== number;
    /** A consumer that lives extends its lease for as long as it works. */
    const extend = (): void =>
      schedule.after(LEASE_MS, () => {
        if (isReleased || isLost()) return;
        if (isExtended && taker.isAlive() && !random.chance(troubles.loseLease)) return extend();
        if (isExtended && taker.isAlive()) lost.abort(new Error('the lease is lost'));
        deliver(message);
      });
    extend();
    const receipt: Receipt = {
      isLost,
      stopExtending() {
        isExtended = false;
      },
      delete() {
        if (message.isGone) return;
        isReleased = true;
        message.isGone = true;
        unsettled -= 1;
      },
      hide(delayMs) {
        if (isLost()) return;
        isReleased = true;
        schedule.after(delayMs, () => deliver(message));
      },
    };
    taker.take({ ...message, attributes: {}, replays: 0 }, receipt, lost.signal);
  }

  return {
    send(body) {
      enqueue(body);
      if (random.chance(troubles.doubleEvent)) enqueue(body);
    },
    unsettled: () => unsettled + deadLetters.length,
    replayDeadLetters() {
      for (const { body } of deadLetters.splice(0)) enqueue(body);
    },
  };
}
