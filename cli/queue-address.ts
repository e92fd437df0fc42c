/** Which of the three queues a setting names: told by its form alone. */
import { MillraceError } from '../errors.ts';

export type QueueAddress =
  | { readonly kind: 'sqs'; readonly url: string }
  /** `url` is the queue's API URL, without a slash at its end. */
  | { readonly kind: 'cloudflare'; readonly url: string }
  /** `subscription` is the whole name, `projects/<project>/subscriptions/<name>`. */
  | { readonly kind: 'pubsub'; readonly project: string; readonly subscription: string };

const CLOUDFLARE_PATH = /\/client\/v4\/accounts\/[^/]+\/queues\/[^/]+\/?$/;
const SUBSCRIPTION = /^projects\/([^/\s]+)\/subscriptions\/[^/\s]+$/;

type Kind = QueueAddress['kind'];

/**
 * Throws CONFIG_INVALID for a text that names no queue, or none of the wanted kind; `variable` is what the error names.
 */
export function queueAddress(text: string, variable: string): QueueAddress;
export function queueAddress<K extends Kind>(text: string, variable: string, wanted: K): Extract<QueueAddress, { kind: K }>;
export function queueAddress(text: string, variable: string, wanted?: Kind): QueueAddress {
  const address = readAddress(text);
  if (address === undefined) {
    throw new MillraceError('CONFIG_INVALID', `${variable}: names no queue, found ${JSON.stringify(text)}`, {
      fix: "Set it to an SQS queue's URL, a Cloudflare queue's API URL, or projects/<project>/subscriptions/<name>.",
    });
  }
  if (wanted !== undefined && address.kind !== wanted) {
    const message = `${variable}: expected a queue of the same kind as MILLRACE_QUEUE_URL (${wanted}), found one of ${address.kind}`;
    throw new MillraceError('CONFIG_INVALID', message, {
      fix: 'Name the dead-letter queue of that very queue, in the same form.',
    });
  }
  return address;
}

/** Throws CONFIG_INVALID where both settings name one queue: what nobody can read would go round in it for ever. */
export function refuseOneQueue(deadLetterQueue: string, queue: string | undefined): void {
  if (queue === undefined || withoutSlash(deadLetterQueue) !== withoutSlash(queue)) return;
  throw new MillraceError(
    'CONFIG_INVALID',
    'MILLRACE_DEAD_LETTER_QUEUE_URL: expected another queue than MILLRACE_QUEUE_URL, found the same',
    {
      fix: 'Set it to the dead-letter queue, or leave it out: what cannot be read then goes by the policy of the queue.',
    },
  );
}

const withoutSlash = (text: string): string => text.trim().replace(/\/$/, '');

function readAddress(text: string): QueueAddress | undefined {
  const project = SUBSCRIPTION.exec(text)?.[1];
  if (project !== undefined) return { kind: 'pubsub', project, subscription: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname === '/') return undefined;
  if (CLOUDFLARE_PATH.test(url.pathname)) return { kind: 'cloudflare', url: text.replace(/\/$/, '') };
  return { kind: 'sqs', url: text };
}
