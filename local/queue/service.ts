/** The parts of one queue server, put together: what every action is given. */
import { randomUUID } from 'node:crypto';
import type { Logger } from '../../log.ts';
import { queueDoesNotExist } from './faults.ts';
import { Messages } from './messages.ts';
import { MoveTasks } from './move-tasks.ts';
import { Mover } from './mover.ts';
import { Pollers } from './pollers.ts';
import { nameFromUrl, type QueueAddress } from './queue-name.ts';
import { type Queue, Queues } from './queues.ts';
import type { Store } from './store.ts';

export interface Service {
  readonly address: QueueAddress;
  readonly store: Store;
  readonly queues: Queues;
  readonly messages: Messages;
  readonly moveTasks: MoveTasks;
  readonly pollers: Pollers;
  readonly mover: Mover;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly newId: () => string;
}

export interface ServiceOptions {
  readonly store: Store;
  readonly address: QueueAddress;
  readonly now: () => number;
  readonly log: Logger;
  readonly maxInFlight: number;
}

export function createService({ store, address, now, log, maxInFlight }: ServiceOptions): Service {
  const queues = new Queues(store.database);
  const messages = new Messages(store.database);
  const moveTasks = new MoveTasks(store.database);
  const newId = randomUUID;
  const pollers = new Pollers({ store, scope: { queues, messages, address }, now, maxInFlight, log });
  const wake = (queueId: number) => pollers.wake(queueId);
  const mover = new Mover({ store, queues, messages, tasks: moveTasks, address, now, newId, wake, log });
  return { address, store, queues, messages, moveTasks, pollers, mover, now, newId };
}

/** Throws InvalidAddress, QueueDoesNotExist. */
export function queueAtUrl(service: Service, url: string): Queue {
  const queue = service.queues.byName(nameFromUrl(service.address, url));
  if (queue === undefined) throw queueDoesNotExist();
  return queue;
}
