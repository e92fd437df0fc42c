/** SQS's own way to empty a dead-letter queue: it moves all messages by itself, without filter, count or reason. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CancelMessageMoveTaskCommand,
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  type ListMessageMoveTasksResultEntry,
  type SQSClient,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import { MillraceError } from '../../errors.ts';
import { sqsError } from './sqs-errors.ts';

export interface MoveTaskOptions {
  /** Of the dead-letter queue. */
  readonly client: SQSClient;
  readonly fromUrl: string;
  readonly to: { readonly client: SQSClient; readonly queueUrl: string };
  /** SQS decides unless given; at most MAX_MOVES_PER_SECOND. */
  readonly perSecond: number | undefined;
  readonly onProgress: (moved: number, total: number | undefined) => void;
  /** Cancels the task: what it has moved stays moved. */
  readonly signal: AbortSignal;
  readonly pollMs?: number;
}

export interface MoveTaskResult {
  readonly moved: number;
  /** A task that somebody had started before was followed instead of a new one. */
  readonly wasRunning: boolean;
  readonly status: 'completed' | 'cancelled';
}

/** SQS's limit. */
export const MAX_MOVES_PER_SECOND = 500;
const DEFAULT_POLL_MS = 1_000;
/** Looks in a row that do not show the task that was started. */
const MAX_UNSEEN_POLLS = 30;

/** Throws QUEUE_ERROR where SQS refuses or fails the task. */
export async function runMoveTask(options: MoveTaskOptions): Promise<MoveTaskResult> {
  const { client, fromUrl, to, perSecond, onProgress, signal, pollMs = DEFAULT_POLL_MS } = options;
  try {
    const SourceArn = await arnOf(client, fromUrl);
    const DestinationArn = await arnOf(to.client, to.queueUrl);
    const before = await latest(client, SourceArn);
    const wasRunning = before?.Status === 'RUNNING';
    if (wasRunning && before.DestinationArn !== DestinationArn) {
      throw new MillraceError(
        'QUEUE_ERROR',
        `A message move task to ${before.DestinationArn ?? 'the source queues'} is running already.`,
        {
          fix: 'Wait for its end, or cancel it: aws sqs cancel-message-move-task.',
        },
      );
    }
    let handle = wasRunning ? before.TaskHandle : undefined;
    if (!wasRunning) {
      const rate = perSecond === undefined ? {} : { MaxNumberOfMessagesPerSecond: perSecond };
      ({ TaskHandle: handle } = await client.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn, ...rate })));
    }
    let isCancelled = false;
    for (let unseenPolls = 0; unseenPolls < MAX_UNSEEN_POLLS; ) {
      const task = await latest(client, SourceArn);
      // The list may be older than the start: what it shows then is a task of the past.
      const isShown = wasRunning || (task !== undefined && task.StartedTimestamp !== before?.StartedTimestamp);
      unseenPolls = isShown ? 0 : unseenPolls + 1;
      const moved = isShown ? Number(task?.ApproximateNumberOfMessagesMoved ?? 0) : 0;
      onProgress(moved, isShown ? (task?.ApproximateNumberOfMessagesToMove ?? undefined) : undefined);
      if (isShown && task?.Status === 'COMPLETED') return { moved, wasRunning, status: 'completed' };
      if (isShown && task?.Status === 'CANCELLED') return { moved, wasRunning, status: 'cancelled' };
      if (isShown && task?.Status === 'FAILED') {
        const why = task.FailureReason ?? 'no reason given';
        throw new MillraceError('QUEUE_ERROR', `The message move task failed after ${moved} messages (${why}).`);
      }
      if (signal.aborted && !isCancelled) {
        isCancelled = true;
        // It may have ended just now, which the next look shows.
        await client.send(new CancelMessageMoveTaskCommand({ TaskHandle: handle })).catch(() => undefined);
      }
      await sleep(pollMs, undefined, isCancelled ? {} : { signal }).catch(() => undefined);
    }
    throw new MillraceError('QUEUE_ERROR', 'SQS took the message move task, but does not list it.', {
      fix: 'Look for it with: aws sqs list-message-move-tasks.',
    });
  } catch (thrown) {
    throw sqsError(thrown, 'StartMessageMoveTask', fromUrl);
  }
}

async function arnOf(client: SQSClient, QueueUrl: string): Promise<string> {
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
  return Attributes?.QueueArn ?? '';
}

async function latest(client: SQSClient, SourceArn: string): Promise<ListMessageMoveTasksResultEntry | undefined> {
  return (await client.send(new ListMessageMoveTasksCommand({ SourceArn, MaxResults: 1 }))).Results?.[0];
}
