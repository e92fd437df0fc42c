/** Sends letters to a Cloudflare Queue, which has no attributes: the replay count stands around the body. */
import { MillraceError } from '../../errors.ts';
import { type CloudflareClient, MAX_BATCH_BYTES, MAX_MESSAGE_BYTES, MESSAGE_OVERHEAD_BYTES } from '../cloudflare-client.ts';
import { NOTE_ATTRIBUTES, wrapBody } from '../dead-letter-note.ts';
import { batchesOf } from './letter-batches.ts';
import type { LetterSink } from './letter-queue.ts';
import { patiently } from './patience.ts';

/** Fewer than Cloudflare takes: a run that is killed between sending and removing sends no more than these twice. */
const MAX_BATCH = 20;

export function createCloudflareSink(client: CloudflareClient, queueUrl: string): LetterSink {
  return {
    name: queueUrl,
    maxBatch: MAX_BATCH,
    warnings: [],
    async send(letters) {
      const sized = letters.map(({ letter, replays }) => {
        const body = wrapBody(letter.body, { [NOTE_ATTRIBUTES.replays]: String(replays) });
        return { body, bytes: Buffer.byteLength(body) + MESSAGE_OVERHEAD_BYTES };
      });
      const tooLarge = new Set(sized.filter(({ bytes }) => bytes > MAX_MESSAGE_BYTES));
      const fitting = sized.filter((each) => !tooLarge.has(each));
      for (const batch of batchesOf(fitting, { messages: MAX_BATCH, bytes: MAX_BATCH_BYTES })) {
        await patiently(() => client.sendBatch(batch.map(({ body }) => body)));
      }
      return sized.map((each) => (tooLarge.has(each) ? refused(each.bytes) : undefined));
    },
  };
}

function refused(bytes: number): MillraceError {
  const message = `With its replay count around it, the letter has ${bytes} bytes; Cloudflare takes ${MAX_MESSAGE_BYTES}.`;
  return new MillraceError('QUEUE_ERROR', message, { context: { bytes } });
}
