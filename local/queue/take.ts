/** One receive, as a change to the store: which messages go out, and which have been received too often and move instead. */

import { MAX_DEAD_LETTERS_PER_RECEIVE } from './limits.ts';
import type { Message, Messages } from './messages.ts';
import { nameFromArn, type QueueAddress, queueArn } from './queue-name.ts';
import type { Queue, Queues } from './queues.ts';
import { isExhausted } from './redrive.ts';

export interface TakeScope {
  readonly queues: Queues;
  readonly messages: Messages;
  readonly address: QueueAddress;
}

export interface Taken {
  /** As it was, for giving it back. */
  readonly before: Message;
  readonly after: Message;
}

export interface TakeResult {
  readonly taken: readonly Taken[];
  /** Dead-letter queues that got a message, by id. */
  readonly movedTo: ReadonlySet<number>;
  /** It stopped at its bound of moves: there may be more to take. */
  readonly unfinished: boolean;
}

/** From when on a queue's messages count: what was sent before has passed its retention. */
export function liveSinceMs(queue: Queue, nowMs: number): number {
  return nowMs - queue.settings.retentionSeconds * 1000;
}

/** Must run inside a write. */
export function takeMessages(scope: TakeScope, queue: Queue, max: number, visibilitySeconds: number, nowMs: number): TakeResult {
  const deadLetters = deadLetterQueue(scope, queue);
  const taken = new Map<number, Taken>();
  const movedTo = new Set<number>();
  let moves = 0;
  for (let again = true; again; ) {
    again = false;
    // With a visibility timeout of 0 those already taken are visible still, hence the room for them.
    const candidates = scope.messages.visible(queue.id, nowMs, liveSinceMs(queue, nowMs), max + taken.size);
    for (const before of candidates) {
      if (taken.size === max || taken.has(before.seq)) continue;
      if (deadLetters !== undefined && isExhausted(before.queueReceiveCount, queue.settings.redrive)) {
        if (moves === MAX_DEAD_LETTERS_PER_RECEIVE) return { taken: [...taken.values()], movedTo, unfinished: true };
        scope.messages.moveToDeadLetters(before, deadLetters.id, queueArn(scope.address, queue.name), nowMs);
        movedTo.add(deadLetters.id);
        moves += 1;
        again = true;
        continue;
      }
      const after = scope.messages.markReceived(before, nowMs, nowMs + visibilitySeconds * 1000);
      taken.set(before.seq, { before, after });
    }
    again = again && taken.size < max;
  }
  return { taken: [...taken.values()], movedTo, unfinished: false };
}

/** A policy whose target has been deleted moves nothing: its messages are delivered on rather than lost. */
function deadLetterQueue({ queues, address }: TakeScope, queue: Queue): Queue | undefined {
  const arn = queue.settings.redrive?.deadLetterTargetArn;
  const name = arn === undefined ? undefined : nameFromArn(address, arn);
  return name === undefined ? undefined : queues.byName(name);
}
