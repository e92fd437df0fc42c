/**
 * Dead letters of Cloudflare Queues. They are looked at and removed without a lease: each pull would count as an attempt, and a
 * queue deletes what has been pulled too often. The price is that Cloudflare shows only the first hundred.
 */
import { MillraceError } from '../../errors.ts';
import type { PeekedMessage } from '../cloudflare-answer.ts';
import type { CloudflareClient } from '../cloudflare-client.ts';
import { unwrapBody } from '../dead-letter-note.ts';
import { readLetter } from './dead-letter.ts';
import type { LetterSource, TakenLetter } from './letter-queue.ts';
import { patiently } from './patience.ts';

export interface CloudflareLettersOptions {
  readonly client: CloudflareClient;
  readonly queueUrl: string;
  readonly pipelinesPrefix: string;
}

/** Cloudflare's limit for one look. */
const MAX_PEEK = 100;

const FIRST_HUNDRED =
  'Cloudflare shows the first 100 letters of a queue only. To choose among more, save all with `replay --to FILE`, then send or drop them from there.';

export function createCloudflareLetters({ client, queueUrl, pipelinesPrefix }: CloudflareLettersOptions): LetterSource {
  /** Given out before. What is still there stands at the head of the queue, before what is new. */
  const seen = new Set<string>();
  const removed = new Set<string>();
  let isPastHundred = false;
  return {
    name: queueUrl,
    async take(most, signal) {
      const staying = seen.size - removed.size;
      const { messages } = await patiently(() => client.peek(Math.min(MAX_PEEK, staying + most), signal));
      isPastHundred ||= messages.length >= MAX_PEEK;
      // One without an id could not be told from another.
      const fresh = messages.filter(({ id }) => id !== '' && !seen.has(id)).slice(0, most);
      for (const { id } of fresh) seen.add(id);
      return fresh.map((message) => takenFrom(message, pipelinesPrefix));
    },
    // Nobody has hidden it.
    hold: async () => undefined,
    async remove(letters) {
      const { warnings } = await patiently(() => client.purge(letters.map(({ receipt }) => receipt)));
      return letters.map(({ key, receipt }) => {
        const why = warnings.get(receipt);
        if (why === undefined) removed.add(key);
        return why === undefined ? undefined : new MillraceError('QUEUE_ERROR', `A dead letter could not be removed: ${why}.`);
      });
    },
    state: async () => ({ letters: undefined, hidden: undefined, warnings: isPastHundred ? [FIRST_HUNDRED] : [] }),
    close: async () => undefined,
  };
}

function takenFrom({ id, body: wrapped, sentAtMs, ref }: PeekedMessage, pipelinesPrefix: string): TakenLetter {
  const { body, attributes } = unwrapBody(wrapped);
  return { letter: readLetter({ id, body, attributes, sentAtMs }, pipelinesPrefix), key: id, receipt: ref };
}
