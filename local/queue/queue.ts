/**
 * The embedded queue: Amazon SQS's JSON API over one SQLite file, on loopback, for laptops and tests.
 *
 * Not as on AWS: standard queues only; one access key that may do everything, so a queue's Policy is kept and shown but decides
 * nothing; nothing is encrypted at rest; MessageGroupId is refused; attributes take effect, and purges happen, at once; a name is
 * free again as soon as its queue is deleted; counts are exact; every message is received in order of its becoming visible, and
 * comes twice only after its visibility timeout.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { deleteExpired } from './expiry.ts';
import { SqsFault } from './faults.ts';
import { EXPIRY_SWEEP_INTERVAL_MS, MAX_IN_FLIGHT } from './limits.ts';
import { nameFromArn } from './queue-name.ts';
import { checkMessage, storeMessage } from './send.ts';
import { QueueServer } from './server.ts';
import { createService, type Service } from './service.ts';
import { Store } from './store.ts';

export interface QueueOptions {
  /** A folder of its own, made where it is missing. One process at a time. */
  readonly dataDir: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly accountId?: string;
  readonly log: Logger;
  /** Milliseconds since 1970; decides visibility, retention and signatures. How long a poll waits is real time. */
  readonly now?: () => number;
  readonly maxInFlight?: number;
}

export interface LocalQueue {
  /** `http://127.0.0.1:<port>`; a queue's URL is `<endpoint>/<account>/<name>`. */
  readonly endpoint: string;
  readonly port: number;
  /** Resolves once the message is on the disk. Throws CONFIG_INVALID where there is no such queue, or it refuses the message. */
  sendToArn(arn: string, body: string): Promise<void>;
  /** Answers open polls with nothing, waits for open requests, and closes the file. */
  close(): Promise<void>;
}

const FILE_NAME = 'queue.sqlite';
const DEFAULT_ACCOUNT_ID = '000000000000';

/** Throws CONFIG_INVALID where the folder or the port cannot be used. */
export async function startQueue(options: QueueOptions): Promise<LocalQueue> {
  const { dataDir, region, accessKeyId, secretAccessKey, accountId = DEFAULT_ACCOUNT_ID, log, now = Date.now } = options;
  mkdirSync(dataDir, { recursive: true });
  const store = new Store(join(dataDir, FILE_NAME));
  const server = new QueueServer({ credentials: { accessKeyId, secretAccessKey, region }, now, log });
  try {
    const port = await server.listen(options.port);
    const endpoint = `http://127.0.0.1:${port}`;
    const maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT;
    const service = createService({ store, address: { endpoint, region, accountId }, now, log, maxInFlight });
    const sweep = setInterval(() => {
      deleteExpired(service).catch((thrown: unknown) => log.error({ err: thrown }, 'expired messages could not be deleted'));
    }, EXPIRY_SWEEP_INTERVAL_MS);
    service.mover.resume();
    server.serve(service);
    let closed: Promise<void> | undefined;
    return {
      endpoint,
      port,
      sendToArn: (arn, body) => sendToArn(service, arn, body),
      close: () => {
        closed ??= close(service, server, sweep);
        return closed;
      },
    };
  } catch (thrown) {
    store.close();
    throw thrown;
  }
}

async function sendToArn(service: Service, arn: string, body: string): Promise<void> {
  const refused = (why: string, cause?: unknown) =>
    new MillraceError('CONFIG_INVALID', `The local queue did not take a message for ${arn}: ${why}`, { cause, context: { arn } });
  try {
    const queueId = await service.store.write(() => {
      const name = nameFromArn(service.address, arn);
      const queue = name === undefined ? undefined : service.queues.byName(name);
      if (queue === undefined) throw refused('there is no such queue.');
      storeMessage(service, queue.id, checkMessage(queue, { MessageBody: body }));
      return queue.id;
    });
    service.pollers.wake(queueId);
  } catch (thrown) {
    throw thrown instanceof SqsFault ? refused(thrown.message, thrown) : thrown;
  }
}

async function close(service: Service, server: QueueServer, sweep: NodeJS.Timeout): Promise<void> {
  clearInterval(sweep);
  service.mover.close();
  service.pollers.close();
  await server.close();
  service.store.close();
}
