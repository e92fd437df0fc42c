/** Sends letters to an SQS queue. */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { MillraceError } from '../../errors.ts';
import { NOTE_ATTRIBUTES } from '../dead-letter-note.ts';
import { batchesOf } from './letter-batches.ts';
import type { LetterSink, OutgoingLetter } from './letter-queue.ts';
import { sqsAttributes, sqsBytes } from './sqs-attributes.ts';
import { entryErrors, sqsError } from './sqs-errors.ts';

const MAX_BATCH = 10;
/** Of all messages of a batch together. AWS takes four times that by now; other servers still do not. */
const MAX_BATCH_BYTES = 262_144;

export function createSqsSink(client: SQSClient, queueUrl: string): LetterSink {
  async function sendBatch(letters: readonly SizedLetter[]): Promise<readonly (MillraceError | undefined)[]> {
    const Entries = letters.map(({ body, attributes }, index) => ({
      Id: String(index),
      MessageBody: body,
      MessageAttributes: sqsAttributes(attributes),
    }));
    try {
      const { Failed } = await client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
      return entryErrors(Failed, letters.length, 'SendMessage', queueUrl);
    } catch (thrown) {
      const error = sqsError(thrown, 'SendMessageBatch', queueUrl);
      // Refused as a whole, and for a reason that lies in the messages: nothing was sent. One by one shows whose it is.
      if (error.code !== 'QUEUE_ERROR' || isAboutQueue(error)) throw error;
      if (letters.length === 1) return [error];
      const outcomes: (MillraceError | undefined)[] = [];
      for (const letter of letters) outcomes.push(...(await sendBatch([letter])));
      return outcomes;
    }
  }
  return {
    name: queueUrl,
    maxBatch: MAX_BATCH,
    warnings: [],
    async send(letters) {
      const outcomes: (MillraceError | undefined)[] = [];
      for (const batch of batchesOf(letters.map(sized), { messages: MAX_BATCH, bytes: MAX_BATCH_BYTES }))
        outcomes.push(...(await sendBatch(batch)));
      return outcomes;
    },
  };
}

const isAboutQueue = ({ context }: MillraceError): boolean =>
  /QueueDoesNotExist|NonExistentQueue|InvalidAddress/.test(String(context.reason));

type SizedLetter = ReturnType<typeof sized>;

function sized({ letter: { body, attributes: own }, replays }: OutgoingLetter) {
  const attributes = { ...own, [NOTE_ATTRIBUTES.replays]: String(replays) };
  return { body, attributes, bytes: sqsBytes(body, attributes) };
}
