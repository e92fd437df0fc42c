/**
 * Everybody who waits for messages. Each queue has one line, served in order of arrival whenever there may be something to
 * take: when a message comes in, when one becomes visible (by a timer for the next such moment), when somebody joins.
 */
import type { Logger } from '../../log.ts';
import { queueDoesNotExist, SqsFault } from './faults.ts';
import type { Queue } from './queues.ts';
import type { Store } from './store.ts';
import { type Taken, type TakeResult, type TakeScope, takeMessages } from './take.ts';

export interface PollRequest {
  readonly max: number;
  readonly visibilitySeconds: number;
  /** 0 answers at once. */
  readonly waitMs: number;
  /** Aborted when whoever asked has gone: it then gets nothing. */
  readonly signal: AbortSignal;
}

export interface PollersOptions {
  readonly store: Store;
  readonly scope: TakeScope;
  readonly now: () => number;
  readonly maxInFlight: number;
  readonly log: Logger;
}

interface Poller extends PollRequest {
  readonly answer: (taken: readonly Taken[]) => void;
  readonly fail: (thrown: unknown) => void;
}

type Answer = () => void;

const NOTHING: TakeResult = { taken: [], movedTo: new Set(), unfinished: false };

export class Pollers {
  readonly #options: PollersOptions;
  readonly #lines = new Map<number, Set<Poller>>();
  readonly #scheduled = new Set<number>();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  #closed = false;

  constructor(options: PollersOptions) {
    this.#options = options;
  }

  /** Resolves with at least one message, or with none when the wait is over, the caller gone or the queue closing. */
  receive(queue: Queue, request: PollRequest): Promise<readonly Taken[]> {
    if (this.#closed || request.signal.aborted) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(deadline);
        request.signal.removeEventListener('abort', giveUp);
        this.#remove(queue.id, poller);
      };
      const poller: Poller = {
        ...request,
        answer: (taken) => {
          leave();
          resolve(taken);
        },
        fail: (thrown) => {
          leave();
          reject(thrown);
        },
      };
      const giveUp = () => poller.answer([]);
      // One that does not wait is answered by its place in the line, never by the clock.
      const deadline = request.waitMs > 0 ? setTimeout(giveUp, request.waitMs) : undefined;
      request.signal.addEventListener('abort', giveUp, { once: true });
      const line = this.#lines.get(queue.id) ?? new Set();
      this.#lines.set(queue.id, line.add(poller));
      this.wake(queue.id);
    });
  }

  /** There may be something to take from that queue. */
  wake(queueId: number): void {
    if (this.#scheduled.has(queueId) || !this.#lines.has(queueId)) return;
    this.#scheduled.add(queueId);
    void this.#serve(queueId);
  }

  /** Takes receives back whose answer did not arrive. */
  async giveBack(queueId: number, taken: readonly Taken[]): Promise<void> {
    const { store, scope } = this.#options;
    await store.write(() => {
      for (const { before } of taken) scope.messages.unmarkReceived(before);
    });
    this.wake(queueId);
  }

  /** Answers everybody with nothing, and whoever comes later too. */
  close(): void {
    this.#closed = true;
    for (const line of this.#lines.values()) for (const poller of line) poller.answer([]);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #serve(queueId: number): Promise<void> {
    // Out of the line from the moment of taking on, so that nothing is taken twice for one of them.
    const served: Poller[] = [];
    const movedTo = new Set<number>();
    let takenAtMs = this.#options.now();
    try {
      const answers = await this.#options.store.write(() => {
        this.#scheduled.delete(queueId);
        takenAtMs = this.#options.now();
        return this.#take(queueId, takenAtMs, served, movedTo);
      });
      for (const answer of answers) answer();
    } catch (thrown) {
      this.#scheduled.delete(queueId);
      this.#options.log.error({ err: thrown, queueId }, 'a receive could not be committed');
      // Those not served yet would wait for the next message to fail for them.
      for (const poller of [...served, ...(this.#lines.get(queueId) ?? [])]) poller.fail(thrown);
    }
    for (const other of movedTo) this.wake(other);
    this.#setTimer(queueId, takenAtMs);
  }

  #take(queueId: number, nowMs: number, served: Poller[], movedTo: Set<number>): Answer[] {
    const { scope, maxInFlight } = this.#options;
    const queue = scope.queues.byId(queueId);
    const answers: Answer[] = [];
    let room = maxInFlight - scope.messages.inFlightUpTo(queueId, nowMs, maxInFlight);
    let dry = false;
    for (const poller of [...(this.#lines.get(queueId) ?? [])]) {
      if (queue === undefined) {
        served.push(poller);
        answers.push(() => poller.fail(queueDoesNotExist()));
        continue;
      }
      const full = room <= 0;
      const result: TakeResult =
        dry || full ? NOTHING : takeMessages(scope, queue, Math.min(poller.max, room), poller.visibilitySeconds, nowMs);
      const { taken } = result;
      for (const other of result.movedTo) movedTo.add(other);
      if (result.unfinished) movedTo.add(queueId);
      room -= taken.length;
      dry ||= taken.length === 0;
      if (taken.length > 0) answers.push(() => poller.answer(taken));
      else if (poller.waitMs > 0) continue;
      // A long poll is not refused: SQS answers it with nothing.
      else answers.push(() => (full ? poller.fail(overLimit(maxInFlight)) : poller.answer([])));
      served.push(poller);
    }
    for (const poller of served) this.#remove(queueId, poller);
    return answers;
  }

  #remove(queueId: number, poller: Poller): void {
    const line = this.#lines.get(queueId);
    line?.delete(poller);
    if (line?.size === 0) this.#lines.delete(queueId);
  }

  /**
   * For the moment when the next message becomes visible; it replaces the one before. Next after the take, not after now: one that became
   * visible while the take was committed is nobody's news any more.
   */
  #setTimer(queueId: number, takenAtMs: number): void {
    clearTimeout(this.#timers.get(queueId));
    this.#timers.delete(queueId);
    if (this.#closed || !this.#lines.has(queueId)) return;
    const { scope, now } = this.#options;
    const nextMs = scope.messages.nextVisibleAtMs(queueId, takenAtMs);
    if (nextMs === undefined) return;
    this.#timers.set(
      queueId,
      setTimeout(() => this.wake(queueId), Math.max(0, nextMs - now())),
    );
  }
}

function overLimit(maxInFlight: number): SqsFault {
  return new SqsFault('OverLimit', `The queue has ${maxInFlight} messages in flight, which is as many as it may have.`);
}
