/** What the queue's own settings say: on which attempt a message is the last time ours, and where its dead letters go. */
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { CloudflareClient } from './cloudflare-client.ts';

export interface QueuePolicy {
  /** A message is pulled once more than this; undefined where the queue does not say. */
  readonly maxRetries: number | undefined;
  /** The client of the dead-letter queue; undefined where there is none, or it cannot be found. */
  readonly deadLetterClient: CloudflareClient | undefined;
}

export interface PolicyReader {
  /** Undefined where it could not be read so far: then all is left to the queue. Never throws. */
  read(): Promise<QueuePolicy | undefined>;
}

export interface PolicyReaderOptions {
  readonly client: Pick<CloudflareClient, 'settings' | 'sibling'>;
  readonly log: Logger;
  /** Milliseconds of a clock that only goes forward. */
  readonly nowMs?: () => number;
}

/** Settings change when somebody deploys. */
const REFRESH_MS = 10 * 60_000;
/** What could not be read may have been an outage; a message that fails in the meantime spends its attempts. */
const REFRESH_AFTER_FAILURE_MS = 5_000;

export function createPolicyReader({ client, log, nowMs = () => performance.now() }: PolicyReaderOptions): PolicyReader {
  let known: QueuePolicy | undefined;
  let freshUntilMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let isFailureTold = false;
  let isLossTold = false;

  async function refresh(): Promise<void> {
    try {
      const { name, maxRetries, deadLetterQueue } = await client.settings();
      known = { maxRetries, deadLetterClient: known?.deadLetterClient };
      known = { maxRetries, deadLetterClient: deadLetterQueue === undefined ? undefined : await client.sibling(deadLetterQueue) };
      freshUntilMs = nowMs() + REFRESH_MS;
      isFailureTold = false;
      if (deadLetterQueue !== undefined || isLossTold) return;
      log.warn({ queue: name, maxRetries }, 'the queue has no dead-letter queue: it deletes what was retried too often');
      isLossTold = true;
    } catch (thrown) {
      freshUntilMs = nowMs() + REFRESH_AFTER_FAILURE_MS;
      if (isFailureTold) return;
      const error = asMillraceError(thrown);
      log.warn({ error }, "the queue's settings cannot be read: the queue moves what fails too often, without a reason");
      isFailureTold = true;
    }
  }

  return {
    async read() {
      if (nowMs() >= freshUntilMs) {
        reading ??= refresh().finally(() => {
          reading = undefined;
        });
        await reading;
      }
      return known;
    },
  };
}
