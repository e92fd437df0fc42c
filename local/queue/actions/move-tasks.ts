/** StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask. */
import { z } from 'zod';
import { action, type Json, RequiredText } from '../action.ts';
import { invalidParameter, SqsFault } from '../faults.ts';
import { MAX_LISTED_MOVE_TASKS, MAX_MOVES_PER_SECOND } from '../limits.ts';
import type { MoveTask } from '../move-tasks.ts';
import { nameFromArn } from '../queue-name.ts';
import type { Queue } from '../queues.ts';
import type { Service } from '../service.ts';
import { liveSinceMs } from '../take.ts';

const StartInput = z.object({
  SourceArn: RequiredText,
  DestinationArn: z.string().optional(),
  MaxNumberOfMessagesPerSecond: z.int().optional(),
});

export const startMessageMoveTask = action(StartInput, async (service, input) => {
  const { SourceArn: sourceArn, DestinationArn: destinationArn, MaxNumberOfMessagesPerSecond: perSecond } = input;
  if (perSecond !== undefined && (perSecond < 1 || perSecond > MAX_MOVES_PER_SECOND)) {
    throw invalidParameter(
      'MaxNumberOfMessagesPerSecond',
      perSecond,
      `Must be between 1 and ${MAX_MOVES_PER_SECOND}, if provided.`,
    );
  }
  const id = service.newId();
  await service.store.write(() => {
    const source = queueAtArn(service, sourceArn, 'SourceArn');
    if (destinationArn !== undefined) queueAtArn(service, destinationArn, 'DestinationArn');
    if (destinationArn === sourceArn) {
      throw invalidParameter('DestinationArn', destinationArn, 'Messages cannot be moved to the queue that they are in.');
    }
    if (!service.queues.all().some((queue) => queue.settings.redrive?.deadLetterTargetArn === sourceArn)) {
      throw invalidParameter('SourceArn', sourceArn, 'Source queue must be configured as a Dead Letter Queue.');
    }
    if (service.moveTasks.running().some((task) => task.sourceArn === sourceArn)) {
      throw new SqsFault(
        'UnsupportedOperation',
        'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
      );
    }
    const nowMs = service.now();
    service.moveTasks.insert({
      id,
      sourceArn,
      destinationArn: destinationArn ?? null,
      maxPerSecond: perSecond ?? null,
      lastSeq: service.messages.lastSeq(),
      toMove: service.messages.counts(source.id, nowMs, liveSinceMs(source, nowMs)).visible,
      startedAtMs: nowMs,
    });
  });
  service.mover.run(id);
  return { body: { TaskHandle: taskHandle(id, sourceArn) } };
});

const ListInput = z.object({ SourceArn: RequiredText, MaxResults: z.int().default(1) });

export const listMessageMoveTasks = action(ListInput, async (service, { SourceArn: sourceArn, MaxResults: max }) => {
  if (max < 1 || max > MAX_LISTED_MOVE_TASKS) {
    throw invalidParameter('MaxResults', max, `Must be between 1 and ${MAX_LISTED_MOVE_TASKS}, if provided.`);
  }
  queueAtArn(service, sourceArn, 'SourceArn');
  return { body: { Results: service.moveTasks.ofSource(sourceArn, max).map(show) } };
});

export const cancelMessageMoveTask = action(z.object({ TaskHandle: RequiredText }), async (service, { TaskHandle: handle }) => {
  const moved = await service.store.write(() => {
    const task = service.moveTasks.byId(taskIdOf(handle));
    if (task === undefined) throw new SqsFault('ResourceNotFoundException', 'Task does not exist.');
    if (task.status !== 'RUNNING') throw new SqsFault('UnsupportedOperation', 'Only active tasks can be cancelled.');
    service.moveTasks.update(task.id, 'CANCELLED', task.moved, null);
    return task.moved;
  });
  return { body: { ApproximateNumberOfMessagesMoved: moved } };
});

function show(task: MoveTask): Json {
  return {
    TaskHandle: task.status === 'RUNNING' ? taskHandle(task.id, task.sourceArn) : undefined,
    Status: task.status,
    SourceArn: task.sourceArn,
    DestinationArn: task.destinationArn ?? undefined,
    MaxNumberOfMessagesPerSecond: task.maxPerSecond ?? undefined,
    ApproximateNumberOfMessagesMoved: task.moved,
    ApproximateNumberOfMessagesToMove: task.toMove,
    FailureReason: task.failureReason ?? undefined,
    StartedTimestamp: task.startedAtMs,
  };
}

function queueAtArn(service: Service, arn: string, parameter: string): Queue {
  const name = nameFromArn(service.address, arn);
  const queue = name === undefined ? undefined : service.queues.byName(name);
  if (queue !== undefined) return queue;
  throw new SqsFault(
    'ResourceNotFoundException',
    `The resource that you specified for the ${parameter} parameter doesn't exist.`,
  );
}

function taskHandle(id: string, sourceArn: string): string {
  return Buffer.from(JSON.stringify({ taskId: id, sourceArn })).toString('base64url');
}

function taskIdOf(handle: string): string {
  try {
    return z.object({ taskId: z.string() }).parse(JSON.parse(Buffer.from(handle, 'base64url').toString())).taskId;
  } catch {
    throw invalidParameter('TaskHandle', handle, 'It is not one that this queue gave out.');
  }
}
