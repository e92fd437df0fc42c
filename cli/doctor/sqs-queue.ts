/** SQS: the queue's attributes, and whether its redrive policy and the settings mean the same dead-letter queue. */
import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { asMillraceError, MillraceError } from '../../errors.ts';
import { sqsClient } from '../queue-clients.ts';
import { duration, type Examination } from './examination.ts';
import { allOr, type Finding, ok, wrong } from './finding.ts';

/** Fewer, and one failure of the bucket or of RunPod makes a dead letter of a good event. */
const LEAST_RECEIVES = 3;
const GOOD_RECEIVES = 5;
const DEAD_LETTER_RETENTION_SECONDS = 14 * 86_400;

const Attributes = z.object({
  QueueArn: z.string(),
  ApproximateNumberOfMessages: z.coerce.number().default(0),
  MessageRetentionPeriod: z.coerce.number().default(0),
  VisibilityTimeout: z.coerce.number().default(0),
  RedrivePolicy: z.string().optional(),
});
type Attributes = z.infer<typeof Attributes>;
const Redrive = z.object({ deadLetterTargetArn: z.string(), maxReceiveCount: z.coerce.number() });

export async function sqsQueue({ config }: Examination, url: string, signal: AbortSignal): Promise<readonly Finding[]> {
  const {
    QueueArn,
    ApproximateNumberOfMessages: count,
    VisibilityTimeout: visible,
  } = await withClient(config, url, (client) => read(client, url, signal));
  const name = nameOf(QueueArn);
  const findings = [ok(`${name} can be looked at; ${count} messages wait`)];
  if (QueueArn.endsWith('.fifo'))
    findings.push(
      wrong(`${name} is a FIFO queue, which no bucket can notify`, 'Make a standard queue, and name it in MILLRACE_QUEUE_URL.'),
    );
  if (visible === 0) {
    const found = `the visibility timeout of ${name} is 0: whoever receives without one of his own gets what another is working on`;
    findings.push(wrong(found, setAttributes(url, { VisibilityTimeout: String(config.MILLRACE_VISIBILITY_TIMEOUT_SECONDS) })));
  }
  return findings;
}

/** `deadLetterUrl` is the one that the settings name, if they do. */
export async function sqsDeadLetters(
  { config }: Examination,
  url: string,
  deadLetterUrl: string | undefined,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  return withClient(config, url, async (client) => {
    const queue = await read(client, url, signal);
    const policy = readPolicy(queue.RedrivePolicy);
    const deadUrl = deadLetterUrl ?? (policy === undefined ? undefined : await urlOf(client, policy.deadLetterTargetArn, signal));
    const dead = deadUrl === undefined ? undefined : await readDead(client, deadUrl, signal);
    if (dead !== undefined && 'outcome' in dead) return [dead];
    const name = nameOf(queue.QueueArn);
    if (policy === undefined) {
      const target = dead?.QueueArn ?? '<arn of the dead-letter queue>';
      const found = `${name} has no redrive policy: a message that always fails goes round in it until it expires, and is lost then`;
      return [wrong(found, redriveCommand(url, target))];
    }
    if (dead === undefined || deadUrl === undefined) {
      const found = `the redrive policy of ${name} names ${policy.deadLetterTargetArn}, whose URL these keys may not find out`;
      return [wrong(found, 'Set MILLRACE_DEAD_LETTER_QUEUE_URL to its URL.')];
    }
    const deadName = nameOf(dead.QueueArn);
    return allOr(
      [
        policy.deadLetterTargetArn === dead.QueueArn
          ? undefined
          : wrong(
              `MILLRACE_DEAD_LETTER_QUEUE_URL is ${deadName}, but ${name} sends its dead letters to ${nameOf(policy.deadLetterTargetArn)}`,
              `Set MILLRACE_DEAD_LETTER_QUEUE_URL to the URL of ${nameOf(policy.deadLetterTargetArn)}, or: ${redriveCommand(url, dead.QueueArn)}`,
            ),
        policy.maxReceiveCount >= LEAST_RECEIVES
          ? undefined
          : wrong(
              `${name} gives a message up after ${policy.maxReceiveCount} receives: a short outage would make dead letters of good events`,
              redriveCommand(url, policy.deadLetterTargetArn),
            ),
        dead.MessageRetentionPeriod > queue.MessageRetentionPeriod
          ? undefined
          : wrong(
              `${deadName} keeps messages for ${duration(dead.MessageRetentionPeriod)} and ${name} for ${duration(queue.MessageRetentionPeriod)}: a dead letter keeps the time of its first sending, and would be gone before anybody looks`,
              setAttributes(deadUrl, { MessageRetentionPeriod: String(DEAD_LETTER_RETENTION_SECONDS) }),
            ),
      ],
      `${name} gives up after ${policy.maxReceiveCount} receives, and ${deadName} keeps what it gave up for ${duration(dead.MessageRetentionPeriod)}${waiting(dead)}`,
    );
  });
}

const waiting = ({ ApproximateNumberOfMessages: count }: Attributes): string =>
  count === 0 ? '' : `; ${count} wait there: millrace dead-letters list`;

async function withClient<T>(config: Examination['config'], url: string, work: (client: SQSClient) => Promise<T>): Promise<T> {
  const client = await sqsClient(config, url);
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}

async function read(client: SQSClient, url: string, signal: AbortSignal): Promise<Attributes> {
  try {
    const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] });
    return Attributes.parse((await client.send(command, { abortSignal: signal })).Attributes ?? {});
  } catch (thrown) {
    throw sqsError(thrown, url);
  }
}

async function readDead(client: SQSClient, url: string, signal: AbortSignal): Promise<Attributes | Finding> {
  try {
    return await read(client, url, signal);
  } catch (thrown) {
    const { message, fix } = asMillraceError(thrown);
    return wrong(`the dead-letter queue cannot be looked at: ${message}`, fix ?? 'Check MILLRACE_DEAD_LETTER_QUEUE_URL.');
  }
}

function sqsError(thrown: unknown, url: string): MillraceError {
  const name = thrown instanceof Error ? thrown.name : '';
  if (/NonExistentQueue|QueueDoesNotExist/.test(name)) {
    return new MillraceError('QUEUE_ERROR', `there is no queue ${url}`, {
      fix: 'Make it (infra/aws), or correct the name, the account and the region in the URL.',
    });
  }
  if (
    /AccessDenied|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|InvalidSecurity|InvalidAccessKeyId/i.test(name)
  ) {
    return new MillraceError('QUEUE_FORBIDDEN', `SQS refused the keys for ${url} (${name})`, {
      fix: 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and give them sqs:GetQueueAttributes on it.',
    });
  }
  return new MillraceError('QUEUE_UNREACHABLE', `SQS did not answer for ${url} (${name})`, {
    fix: 'Check the host and the region in MILLRACE_QUEUE_URL, and the network.',
  });
}

function readPolicy(text: string | undefined): z.infer<typeof Redrive> | undefined {
  return text === undefined || text === '' ? undefined : Redrive.parse(JSON.parse(text));
}

/** Undefined where the keys may not ask. */
async function urlOf(client: SQSClient, arn: string, signal: AbortSignal): Promise<string | undefined> {
  const [, , , , account, name] = arn.split(':');
  try {
    const command = new GetQueueUrlCommand({ QueueName: name, QueueOwnerAWSAccountId: account });
    return (await client.send(command, { abortSignal: signal })).QueueUrl;
  } catch {
    return undefined;
  }
}

const nameOf = (arn: string): string => arn.split(':').at(-1) ?? arn;

function setAttributes(url: string, attributes: Readonly<Record<string, string>>): string {
  return `aws sqs set-queue-attributes --queue-url ${url} --attributes '${JSON.stringify(attributes)}'`;
}

function redriveCommand(url: string, deadLetterTargetArn: string): string {
  return setAttributes(url, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: GOOD_RECEIVES }) });
}
