/** Cloudflare Queues: the HTTP pull consumer, and where its dead letters go. */
import type { QueueSettings } from '../../consumers/cloudflare-answer.ts';
import { asMillraceError } from '../../errors.ts';
import { cloudflareClient } from '../queue-clients.ts';
import { duration, type Examination } from './examination.ts';
import { allOr, type Finding, ok, wrong } from './finding.ts';

/** Fewer, and one failure of the bucket or of RunPod makes a dead letter of a good event. */
const LEAST_RETRIES = 2;
const GOOD_RETRIES = 4;
const DEAD_LETTER_RETENTION_SECONDS = 14 * 86_400;

export async function cloudflareQueue({ config }: Examination, url: string, signal: AbortSignal): Promise<readonly Finding[]> {
  const settings = await read(config, url, signal);
  const name = settings.name ?? url;
  const findings = [ok(`${name} can be looked at`)];
  if (!settings.pullable) {
    findings.push(
      wrong(`${name} has no HTTP pull consumer: nothing can be received from it`, pullCommand(name, '<dead-letter queue>')),
    );
  }
  if (settings.paused) findings.push(wrong(`the delivery of ${name} is paused`, `npx wrangler queues resume-delivery ${name}`));
  return findings;
}

/** `deadLetterUrl` is the one that the settings name, if they do. */
export async function cloudflareDeadLetters(
  { config }: Examination,
  url: string,
  deadLetterUrl: string | undefined,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const client = await cloudflareClient(config, url);
  const queue = await read(config, url, signal);
  const name = queue.name ?? url;
  const target = queue.deadLetterQueue;
  const named = deadLetterUrl === undefined ? undefined : await readDead(config, deadLetterUrl, signal);
  if (named !== undefined && 'outcome' in named) return [named];
  if (!queue.pullable)
    return [
      wrong(
        `${name} has no HTTP pull consumer, and so no dead-letter queue`,
        pullCommand(name, named?.name ?? '<dead-letter queue>'),
      ),
    ];
  if (target === undefined) {
    const again = `npx wrangler queues consumer http remove ${name} && ${pullCommand(name, named?.name ?? '<dead-letter queue>')}`;
    return [wrong(`${name} has no dead-letter queue: what was retried too often is deleted`, again)];
  }
  const sibling = deadLetterUrl === undefined ? await client.sibling(target, signal) : undefined;
  const dead = named ?? (await sibling?.settings(signal));
  if (dead === undefined)
    return [
      wrong(
        `${name} sends its dead letters to ${target}, which does not exist`,
        `npx wrangler queues create ${target} --message-retention-period-secs ${DEAD_LETTER_RETENTION_SECONDS}`,
      ),
    ];
  const again = `npx wrangler queues consumer http remove ${name} && ${pullCommand(name, target)}`;
  return allOr(
    [
      dead.name === undefined || dead.name === target
        ? undefined
        : wrong(
            `MILLRACE_DEAD_LETTER_QUEUE_URL is ${dead.name}, but ${name} sends its dead letters to ${target}`,
            `Set MILLRACE_DEAD_LETTER_QUEUE_URL to the URL of ${target}, whose id is in: npx wrangler queues list`,
          ),
      (queue.maxRetries ?? GOOD_RETRIES) >= LEAST_RETRIES
        ? undefined
        : wrong(
            `${name} gives a message up after ${queue.maxRetries} retries: a short outage would make dead letters of good events`,
            again,
          ),
      lasts(dead, queue)
        ? undefined
        : wrong(
            `${target} keeps messages for ${duration(dead.retentionSeconds ?? 0)}, and ${name} for ${duration(queue.retentionSeconds ?? 0)}: give those that somebody has to look at the longer time`,
            `npx wrangler queues update ${target} --message-retention-period-secs ${DEAD_LETTER_RETENTION_SECONDS}`,
          ),
    ],
    `${name} gives up after ${queue.maxRetries ?? 'its'} retries, and ${target} keeps what it gave up${dead.retentionSeconds === undefined ? '' : ` for ${duration(dead.retentionSeconds)}`}`,
  );
}

/** On the free plan every queue keeps messages for a day, and no longer. */
const FREE_PLAN_SECONDS = 86_400;

function lasts(dead: QueueSettings, queue: QueueSettings): boolean {
  if (dead.retentionSeconds === undefined || queue.retentionSeconds === undefined) return true;
  const isFree = [dead, queue].every(({ retentionSeconds }) => retentionSeconds === FREE_PLAN_SECONDS);
  return isFree || dead.retentionSeconds > queue.retentionSeconds;
}

async function read(config: Examination['config'], url: string, signal: AbortSignal): Promise<QueueSettings> {
  return (await cloudflareClient(config, url)).settings(signal);
}

async function readDead(config: Examination['config'], url: string, signal: AbortSignal): Promise<QueueSettings | Finding> {
  try {
    return await read(config, url, signal);
  } catch (thrown) {
    const { message, fix } = asMillraceError(thrown);
    return wrong(
      `the dead-letter queue cannot be looked at: ${message}`,
      fix ?? 'Check MILLRACE_DEAD_LETTER_QUEUE_URL: npx wrangler queues list',
    );
  }
}

function pullCommand(name: string, deadLetterQueue: string): string {
  return `npx wrangler queues consumer http add ${name} --message-retries ${GOOD_RETRIES} --visibility-timeout-secs 60 --dead-letter-queue ${deadLetterQueue}`;
}
