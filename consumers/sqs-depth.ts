/** How many messages a queue of SQS holds. Approximate, as SQS says itself. */
import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';

export interface QueueDepth {
  readonly ready: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** Of the dead-letter queue, whatever their state; undefined where the settings name none. */
  readonly deadLetters: number | undefined;
}

const ATTRIBUTES = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const;

/** Rejects where a queue cannot be asked. */
export async function readSqsDepth(
  client: SQSClient,
  queueUrl: string,
  deadLetterQueueUrl: string | undefined,
): Promise<QueueDepth> {
  const read = async (url: string) => {
    const { Attributes = {} } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...ATTRIBUTES] }),
    );
    const [ready, inFlight, delayed] = ATTRIBUTES.map((name) => Number(Attributes[name] ?? 0));
    return { ready: ready ?? 0, inFlight: inFlight ?? 0, delayed: delayed ?? 0 };
  };
  const [own, dead] = await Promise.all([
    read(queueUrl),
    deadLetterQueueUrl === undefined ? undefined : read(deadLetterQueueUrl),
  ]);
  return { ...own, deadLetters: dead === undefined ? undefined : dead.ready + dead.inFlight + dead.delayed };
}
