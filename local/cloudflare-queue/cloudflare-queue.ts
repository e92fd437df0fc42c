/**
 * The embedded Cloudflare queue: the HTTP API for pull consumers over one SQLite file, on loopback, for laptops and tests.
 *
 * Not as at Cloudflare: queues are made at the start, by name, and not through the API; every pull hands out all that is visible, in
 * order of its becoming so; a lease that was replaced is refused, an expired one that was not is still good; an extension answers
 * `{messages: [{lease_id}]}`, because the real answer's schema is not public; there are no event subscriptions and no rate limits.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { queueNotFound } from './api-fault.ts';
import { type BucketNotification, describeNotifications } from './event-notifications.ts';
import { Messages } from './messages.ts';
import { type QueueDefinition, Queues } from './queues.ts';
import { answer, type Service, sendOne } from './routes.ts';
import { API_PATH, ApiServer, type FailureOnDemand } from './server.ts';
import { inTransaction, openStore } from './store.ts';

export interface CloudflareQueueOptions {
  /** A folder of its own, made where it is missing. One process at a time. */
  readonly dataDir: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly accountId: string;
  /** The one API token; it may do everything. */
  readonly token: string;
  readonly queues: readonly QueueDefinition[];
  readonly log: Logger;
  /** What a bucket's notifications are: all of them go to the first of the queues. None unless given. */
  readonly notificationsOf?: (bucket: string) => readonly BucketNotification[];
  /** JSON bodies leave as they are instead of base64-encoded. */
  readonly plainBodies?: boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface LocalCloudflareQueue {
  /** `http://127.0.0.1:<port>/client/v4` */
  readonly endpoint: string;
  readonly port: number;
  /** What a client is given. Throws CONFIG_INVALID where there is no such queue. */
  urlOf(name: string): string;
  /** Resolves once the message is on the disk; a body that is JSON is sent as JSON. Throws CONFIG_INVALID where it is refused. */
  send(name: string, body: string): Promise<void>;
  /** The next requests fail in this way. */
  failOnDemand(failure: FailureOnDemand): void;
  /** Waits for open requests and closes the file. */
  close(): Promise<void>;
}

const FILE_NAME = 'cloudflare-queue.sqlite';
const ID_BYTES = 16;

/** Throws CONFIG_INVALID where the folder, the port or a queue's definition cannot be used. */
export async function startCloudflareQueue(options: CloudflareQueueOptions): Promise<LocalCloudflareQueue> {
  const { dataDir, accountId, token, log, notificationsOf = () => [], plainBodies = false, now = Date.now } = options;
  mkdirSync(dataDir, { recursive: true });
  const database = openStore(join(dataDir, FILE_NAME));
  try {
    const queues = new Queues(database, options.queues, now());
    const newId = () => randomBytes(ID_BYTES).toString('hex');
    const service: Service = { queues, messages: new Messages({ database, queues, now, newId }), plainBodies };
    const server = new ApiServer({
      accountId,
      token,
      log,
      answer: ({ method, queueId, path, body }) => inTransaction(database, () => answer(service, method, queueId, path, body)),
      describeNotifications: (path) => {
        const [first] = queues.all();
        if (first === undefined) throw queueNotFound();
        return describeNotifications(path, { queueId: first.id, queueName: first.name }, notificationsOf);
      },
    });
    const port = await server.listen(options.port);
    const endpoint = `http://127.0.0.1:${port}/client/v4`;
    let closed: Promise<void> | undefined;
    const named = (name: string) => {
      const queue = queues.byName(name);
      if (queue !== undefined) return queue;
      throw new MillraceError('CONFIG_INVALID', `There is no local Cloudflare queue "${name}".`, { context: { name } });
    };
    return {
      endpoint,
      port,
      urlOf: (name) => `http://127.0.0.1:${port}${API_PATH}/${accountId}/queues/${named(name).id}`,
      send: async (name, body) => inTransaction(database, () => sendOne(service, named(name), body)),
      failOnDemand: (failure) => server.failOnDemand(failure),
      close: () => {
        closed ??= server.close().finally(() => database.close());
        return closed;
      },
    };
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}
