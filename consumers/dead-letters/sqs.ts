/**
 * Dead letters of SQS. The queue has no way to look at a message without receiving it, so every letter that is not removed is kept
 * hidden until the end, and then made visible again.
 */
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { readLetter } from './dead-letter.ts';
import type { LetterSource, Outcomes, SourceState, TakenLetter } from './letter-queue.ts';
import { readSqsAttributes } from './sqs-attributes.ts';
import { entryErrors, sqsError } from './sqs-errors.ts';

export interface SqsLettersOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly pipelinesPrefix: string;
  /** Waits at the end for letters that a killed command had in hand: until then they are hidden. */
  readonly waitForHidden: boolean;
  /** How long a poll waits for letters: a second unless given. 0 is for a queue that is one server, which says at once what it holds. */
  readonly pollSeconds?: number;
  /** Told once, when that waiting begins. */
  readonly onWaiting?: (hidden: number, seconds: number) => void;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

/** SQS's limit. */
const BATCH_SIZE = 10;
/** How long letters in hand are hidden: as long as sending and removing a batch may take. Whoever is killed leaves them so. */
const IN_HAND_SECONDS = 20;
/** Letters that stay are extended well before this is over. */
const HOLD_SECONDS = 30;
const RENEW_MS = 10_000;
/** A long poll asks all of SQS's servers; a short one may find nothing where there is something. */
const DEFAULT_POLL_SECONDS = 1;
const EMPTY_POLLS_AT_END = 2;
/** Requests at once when many letters are extended or put back. */
const PARALLEL_REQUESTS = 16;

export function createSqsLetters(options: SqsLettersOptions): LetterSource {
  const {
    client,
    queueUrl,
    pipelinesPrefix,
    waitForHidden,
    pollSeconds = DEFAULT_POLL_SECONDS,
    now = () => performance.now(),
  } = options;
  const request = { QueueUrl: queueUrl };
  /** By id, with the latest receipt. */
  const held = new Map<string, string>();
  const inHand = new Set<string>();
  const removed = new Set<string>();
  /** Of the whole run: a count that is never right must not hold it up again and again. */
  let waitUntilMs: number | undefined;
  let renewing: Promise<void> | undefined;
  const renewal = setInterval(() => {
    renewing ??= setVisibility([...held.values()], HOLD_SECONDS).finally(() => {
      renewing = undefined;
    });
  }, RENEW_MS);
  renewal.unref();

  async function receive(most: number, signal: AbortSignal): Promise<readonly Message[]> {
    const input = {
      ...request,
      MaxNumberOfMessages: Math.min(BATCH_SIZE, most),
      VisibilityTimeout: IN_HAND_SECONDS,
      WaitTimeSeconds: pollSeconds,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['SentTimestamp' as const],
    };
    try {
      // A receive that is given up on its way may hide letters that nobody hears of, so a stop waits for the poll under way.
      const { Messages = [] } = await client.send(new ReceiveMessageCommand(input));
      return signal.aborted ? await putBack(Messages) : Messages;
    } catch (thrown) {
      throw sqsError(thrown, 'ReceiveMessage', queueUrl);
    }
  }

  async function putBack(messages: readonly Message[]): Promise<readonly Message[]> {
    await setVisibility(
      messages.map(({ ReceiptHandle = '' }) => ReceiptHandle),
      0,
    );
    return [];
  }

  /** Of what was received, what has not been given out before; the rest is a lease that ran out, or a delivery too many. */
  async function unseen(messages: readonly Message[]): Promise<TakenLetter[]> {
    const fresh: TakenLetter[] = [];
    const again: TakenLetter[] = [];
    for (const message of messages) {
      const taken = takenFrom(message, pipelinesPrefix);
      if (removed.has(taken.key)) again.push(taken);
      else if (held.has(taken.key) || inHand.has(taken.key)) await hold([taken]);
      else {
        inHand.add(taken.key);
        fresh.push(taken);
      }
    }
    if (again.length > 0) await remove(again);
    return fresh;
  }

  async function take(most: number, signal: AbortSignal): Promise<readonly TakenLetter[]> {
    for (let emptyPolls = 0; !signal.aborted; ) {
      const messages = await receive(most, signal);
      const fresh = await unseen(messages);
      if (fresh.length > 0) return fresh;
      emptyPolls = messages.length === 0 ? emptyPolls + 1 : 0;
      if (emptyPolls === 0) continue;
      const { visible, hidden } = await count();
      // Both are approximate: where they disagree, one more poll decides.
      if (visible > 0 && emptyPolls < EMPTY_POLLS_AT_END) continue;
      if (hidden === 0 || !waitForHidden) return [];
      if (waitUntilMs === undefined) options.onWaiting?.(hidden, HOLD_SECONDS);
      waitUntilMs ??= now() + HOLD_SECONDS * 1000;
      if (now() > waitUntilMs) return [];
      // Those that show themselves between this poll and the next count are worth another poll.
      emptyPolls = 0;
    }
    return [];
  }

  async function hold(letters: readonly TakenLetter[]): Promise<void> {
    for (const { key, receipt } of letters) {
      held.set(key, receipt);
      inHand.delete(key);
    }
    await setVisibility(
      letters.map(({ receipt }) => receipt),
      HOLD_SECONDS,
    );
  }

  async function remove(letters: readonly TakenLetter[]): Promise<Outcomes> {
    const Entries = letters.map(({ receipt }, index) => ({ Id: String(index), ReceiptHandle: receipt }));
    try {
      const { Failed } = await client.send(new DeleteMessageBatchCommand({ ...request, Entries }));
      const errors = entryErrors(Failed, letters.length, 'DeleteMessage', queueUrl);
      for (const [index, { key }] of letters.entries()) {
        if (errors[index] === undefined) removed.add(key);
        inHand.delete(key);
      }
      return errors;
    } catch (thrown) {
      throw sqsError(thrown, 'DeleteMessageBatch', queueUrl);
    }
  }

  /** A letter whose lease cannot be changed shows itself again by itself. */
  async function setVisibility(receipts: readonly string[], seconds: number): Promise<void> {
    const batches: string[][] = [];
    for (let at = 0; at < receipts.length; at += BATCH_SIZE) batches.push(receipts.slice(at, at + BATCH_SIZE));
    const work = Array.from({ length: Math.min(PARALLEL_REQUESTS, batches.length) }, async () => {
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        const Entries = batch.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle, VisibilityTimeout: seconds }));
        await client.send(new ChangeMessageVisibilityBatchCommand({ ...request, Entries })).catch(() => undefined);
      }
    });
    await Promise.all(work);
  }

  /** Of the letters that are not in these hands. */
  async function count(): Promise<{ readonly visible: number; readonly hidden: number; readonly hasPolicy: boolean }> {
    const AttributeNames = [...COUNTED];
    try {
      const { Attributes = {} } = await client.send(new GetQueueAttributesCommand({ ...request, AttributeNames }));
      const own = held.size + inHand.size;
      return {
        visible: Number(Attributes.ApproximateNumberOfMessages ?? 0),
        hidden: Math.max(0, Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0) - own),
        hasPolicy: (Attributes.RedrivePolicy ?? '') !== '',
      };
    } catch (thrown) {
      throw sqsError(thrown, 'GetQueueAttributes', queueUrl);
    }
  }

  async function state(): Promise<SourceState> {
    const { visible, hidden, hasPolicy } = await count();
    return { letters: visible + held.size + inHand.size, hidden, warnings: hasPolicy ? [OWN_POLICY] : [] };
  }

  return {
    name: queueUrl,
    take,
    hold,
    remove,
    state,
    async close() {
      clearInterval(renewal);
      await renewing;
      await setVisibility([...held.values()], 0);
      held.clear();
    },
  };
}

const COUNTED = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible', 'RedrivePolicy'] as const;

const OWN_POLICY =
  'The dead-letter queue has a redrive policy of its own: each look counts as a receive, and letters that were looked at too often move on.';

function takenFrom(message: Message, pipelinesPrefix: string): TakenLetter {
  const { MessageId: id = '', Body: body = '', MessageAttributes: attributes, ReceiptHandle: receipt = '' } = message;
  const sentAtMs = Number(message.Attributes?.SentTimestamp ?? Number.NaN);
  const raw = { id, body, attributes: readSqsAttributes(attributes), sentAtMs: Number.isNaN(sentAtMs) ? undefined : sentAtMs };
  return { letter: readLetter(raw, pipelinesPrefix), key: id, receipt };
}
