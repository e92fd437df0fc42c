/** Runs message move tasks: a few messages at a time, no faster than asked, until those that lay there at the start are gone. */
import type { Logger } from '../../log.ts';
import { MAX_MOVES_PER_SECOND } from './limits.ts';
import type { Message, Messages } from './messages.ts';
import type { MoveTask, MoveTasks } from './move-tasks.ts';
import { nameFromArn, type QueueAddress } from './queue-name.ts';
import type { Queue, Queues } from './queues.ts';
import type { Store } from './store.ts';
import { liveSinceMs } from './take.ts';

export interface MoverOptions {
  readonly store: Store;
  readonly queues: Queues;
  readonly messages: Messages;
  readonly tasks: MoveTasks;
  readonly address: QueueAddress;
  readonly now: () => number;
  readonly newId: () => string;
  /** Called with each queue that got messages, once they are committed. */
  readonly wake: (queueId: number) => void;
  readonly log: Logger;
}

export interface Pace {
  readonly batch: number;
  readonly intervalMs: number;
}

const STEPS_PER_SECOND = 10;

/** Small steps rather than a burst each second, and never more than `maxPerSecond` in a second. */
export function paceOf(maxPerSecond: number | null): Pace {
  const perSecond = maxPerSecond ?? MAX_MOVES_PER_SECOND;
  const batch = Math.ceil(perSecond / STEPS_PER_SECOND);
  return { batch, intervalMs: Math.ceil((batch * 1000) / perSecond) };
}

export class Mover {
  readonly #options: MoverOptions;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #closed = false;

  constructor(options: MoverOptions) {
    this.#options = options;
  }

  /** Takes up what was running when the process before ended. */
  resume(): void {
    for (const task of this.#options.tasks.running()) this.run(task.id);
  }

  /** The task must be committed. */
  run(taskId: string): void {
    this.#after(taskId, 0);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #after(taskId: string, delayMs: number): void {
    if (this.#closed) return;
    this.#timers.set(
      taskId,
      setTimeout(() => {
        this.#timers.delete(taskId);
        void this.#step(taskId);
      }, delayMs),
    );
  }

  async #step(taskId: string): Promise<void> {
    const { store, log, wake } = this.#options;
    const woken = new Set<number>();
    try {
      const task = await store.write(() => this.#move(taskId, woken));
      for (const queueId of woken) wake(queueId);
      if (task === undefined) return;
      if (task.status === 'RUNNING') this.#after(taskId, paceOf(task.maxPerSecond).intervalMs);
      else log.info({ sourceArn: task.sourceArn, status: task.status, moved: task.moved }, 'a message move task has ended');
    } catch (thrown) {
      // Nothing of the step was committed; the task stays RUNNING in the file, and the next start takes it up again.
      log.error({ err: thrown, taskId }, 'a message move task has stopped');
    }
  }

  /** Inside a write. Undefined where the task has been cancelled meanwhile. */
  #move(taskId: string, woken: Set<number>): MoveTask | undefined {
    const { tasks, queues, messages, address, now } = this.#options;
    const task = tasks.byId(taskId);
    if (task?.status !== 'RUNNING') return undefined;
    const nowMs = now();
    const source = this.#queue(task.sourceArn);
    const { batch } = paceOf(task.maxPerSecond);
    const found =
      source === undefined ? [] : messages.visibleUpTo(source.id, task.lastSeq, nowMs, liveSinceMs(source, nowMs), batch);
    let moved = task.moved;
    let failureReason = source === undefined ? 'AWS.SimpleQueueService.NonExistentQueue' : null;
    for (const message of found) {
      const arn = task.destinationArn ?? message.sourceArn;
      const name = arn === null ? undefined : nameFromArn(address, arn);
      const destination = name === undefined ? undefined : queues.byName(name);
      if (destination === undefined) {
        failureReason = arn === null ? 'CouldNotDetermineMessageSource' : 'AWS.SimpleQueueService.NonExistentQueue';
        break;
      }
      this.#sendAnew(message, destination, nowMs);
      woken.add(destination.id);
      moved += 1;
    }
    const ended = found.length < batch ? 'COMPLETED' : 'RUNNING';
    const status = failureReason === null ? ended : 'FAILED';
    tasks.update(taskId, status, moved, failureReason);
    return { ...task, status, moved, failureReason };
  }

  /** AWS: "redriven messages are considered new messages, with a new messageID and enqueueTime". */
  #sendAnew(message: Message, destination: Queue, nowMs: number): void {
    const { messages, newId } = this.#options;
    const { queueId, id, body, attributes, traceHeader } = message;
    messages.delete(queueId, id);
    messages.insert({
      queueId: destination.id,
      id: newId(),
      body,
      attributes,
      traceHeader,
      sentAtMs: nowMs,
      visibleAtMs: nowMs,
    });
  }

  #queue(arn: string): Queue | undefined {
    const name = nameFromArn(this.#options.address, arn);
    return name === undefined ? undefined : this.#options.queues.byName(name);
  }
}
