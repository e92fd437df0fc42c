/**
 * Ends of messages, sent together: whatever ends within a few milliseconds shares one request. A request that failed is sent again,
 * the same one: ends that have taken effect already are only warned about, and a late one still counts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError, type MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type BackOff, backOffMs } from './back-off.ts';
import type { CloudflareClient, Retry } from './cloudflare-client.ts';

export interface Settler {
  /** Resolves once the queue has answered; rejects with why it never did. */
  ack(leaseId: string): Promise<void>;
  /** As `ack`; the message comes again after the delay. */
  retry(leaseId: string, delaySeconds: number): Promise<void>;
}

export interface SettlerOptions {
  readonly client: Pick<CloudflareClient, 'settle'>;
  /** Between the tries of a request. */
  readonly pause: BackOff;
  readonly log: Logger;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

type Ending = { readonly kind: 'ack'; readonly leaseId: string } | ({ readonly kind: 'retry' } & Retry);
type Waiting = Ending & { readonly told: PromiseWithResolvers<void> };

const WINDOW_MS = 10;
/** A pull's limit; that of this request is not documented. */
const MAX_ENDINGS = 100;
/** About a minute in all, with the consumer's usual pauses: most outages. After a longer one the messages come again. */
const MAX_TRIES = 8;

export function createSettler({ client, pause, log, random }: SettlerOptions): Settler {
  let open: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;

  function add(ending: Ending): Promise<void> {
    const told = Promise.withResolvers<void>();
    open.push({ ...ending, told });
    if (open.length >= MAX_ENDINGS) flush();
    else timer ??= setTimeout(flush, WINDOW_MS);
    return told.promise;
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const batch = open;
    open = [];
    void send(batch);
  }

  async function send(batch: readonly Waiting[]): Promise<void> {
    const acks = batch.flatMap((ending) => (ending.kind === 'ack' ? [ending.leaseId] : []));
    const retries = batch.flatMap((ending) => (ending.kind === 'retry' ? [ending] : []));
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { warnings } = await client.settle(acks, retries);
        for (const warning of warnings.values()) log.warn({ warning }, 'the end of a message had no effect: it may come again');
        for (const { told } of batch) told.resolve();
        return;
      } catch (thrown) {
        const error = asMillraceError(thrown);
        if (!error.retryable || attempt === MAX_TRIES) {
          for (const { told } of batch) told.reject(error);
          return;
        }
        log.warn({ error, attempt, messages: batch.length }, 'messages could not be settled; trying again');
        await sleep(Math.max(backOffMs(attempt, pause, random), retryAfterMs(error)));
      }
    }
  }

  return {
    ack: (leaseId) => add({ kind: 'ack', leaseId }),
    retry: (leaseId, delaySeconds) => add({ kind: 'retry', leaseId, delaySeconds }),
  };
}

/** How long the queue asks to be left alone, within reason; 0 where it does not. */
export function retryAfterMs({ context }: MillraceError): number {
  return typeof context.retryAfterMs === 'number' ? Math.min(context.retryAfterMs, MAX_RETRY_AFTER_MS) : 0;
}

const MAX_RETRY_AFTER_MS = 60_000;
