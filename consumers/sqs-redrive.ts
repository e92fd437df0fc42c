/** What the queue's own redrive policy says: on which receive a message is the last time ours, and where its dead letters go. */
import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface Redrive {
  /** A message received so often is not handed out again. */
  readonly maxReceiveCount: number;
  /** Undefined where its URL cannot be found out. */
  readonly deadLetterQueueUrl: string | undefined;
}

export interface RedriveReader {
  /** Undefined where the queue has no policy, or it cannot be read: then all is left to the queue. Never throws. */
  read(): Promise<Redrive | undefined>;
}

export interface RedriveReaderOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly log: Logger;
  /** Milliseconds of a clock that only goes forward. */
  readonly nowMs?: () => number;
}

/** Policies change when somebody deploys. */
const REFRESH_MS = 10 * 60_000;
/** What could not be read may have been an outage; a message that fails in the meantime spends its receives. */
const REFRESH_AFTER_FAILURE_MS = 5_000;

/** Infrastructure tools write the number as text. */
const Policy = z.object({
  deadLetterTargetArn: z.string(),
  maxReceiveCount: z.union([
    z.int().positive(),
    z
      .string()
      .regex(/^[1-9]\d*$/)
      .transform(Number),
  ]),
});

export function createRedriveReader({
  client,
  queueUrl,
  log,
  nowMs = () => performance.now(),
}: RedriveReaderOptions): RedriveReader {
  let known: Redrive | undefined;
  let freshUntilMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let isTold = false;

  async function refresh(): Promise<void> {
    try {
      const request = { QueueUrl: queueUrl, AttributeNames: ['RedrivePolicy' as const] };
      const text = (await client.send(new GetQueueAttributesCommand(request))).Attributes?.RedrivePolicy;
      if (text === undefined || text === '') {
        known = undefined;
      } else {
        const { deadLetterTargetArn, maxReceiveCount } = Policy.parse(JSON.parse(text));
        known = { maxReceiveCount, deadLetterQueueUrl: known?.deadLetterQueueUrl };
        known = { maxReceiveCount, deadLetterQueueUrl: await urlOf(deadLetterTargetArn) };
      }
      freshUntilMs = nowMs() + REFRESH_MS;
      isTold = false;
    } catch (thrown) {
      freshUntilMs = nowMs() + REFRESH_AFTER_FAILURE_MS;
      const error = asMillraceError(thrown);
      if (!isTold)
        log.warn({ error }, "the queue's redrive policy cannot be read: the queue moves what fails too often, without a reason");
      isTold = true;
    }
  }

  async function urlOf(arn: string): Promise<string | undefined> {
    // arn:<partition>:sqs:<region>:<account>:<name>
    const [, , , , account, name] = arn.split(':');
    return (await client.send(new GetQueueUrlCommand({ QueueName: name, QueueOwnerAWSAccountId: account }))).QueueUrl;
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
