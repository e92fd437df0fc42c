/** Every action by its name in `X-Amz-Target`. What SQS has and this queue does not is refused by name. */
import type { Action } from '../action.ts';
import { SqsFault } from '../faults.ts';
import { deleteMessage, deleteMessageBatch } from './delete.ts';
import { cancelMessageMoveTask, listMessageMoveTasks, startMessageMoveTask } from './move-tasks.ts';
import { getQueueAttributes, setQueueAttributes } from './queue-attributes.ts';
import { createQueue, deleteQueue, getQueueUrl, listDeadLetterSourceQueues, listQueues, purgeQueue } from './queues.ts';
import { receiveMessage } from './receive.ts';
import { sendMessage, sendMessageBatch } from './send.ts';
import { listQueueTags, tagQueue, untagQueue } from './tags.ts';
import { changeMessageVisibility, changeMessageVisibilityBatch } from './visibility.ts';

const unsupported: Action = async () => {
  throw new SqsFault(
    'UnsupportedOperation',
    'This local queue has no permissions: whoever has its access key may do everything.',
  );
};

const ACTIONS: ReadonlyMap<string, Action> = new Map(
  Object.entries({
    AddPermission: unsupported,
    CancelMessageMoveTask: cancelMessageMoveTask,
    ChangeMessageVisibility: changeMessageVisibility,
    ChangeMessageVisibilityBatch: changeMessageVisibilityBatch,
    CreateQueue: createQueue,
    DeleteMessage: deleteMessage,
    DeleteMessageBatch: deleteMessageBatch,
    DeleteQueue: deleteQueue,
    GetQueueAttributes: getQueueAttributes,
    GetQueueUrl: getQueueUrl,
    ListDeadLetterSourceQueues: listDeadLetterSourceQueues,
    ListMessageMoveTasks: listMessageMoveTasks,
    ListQueues: listQueues,
    ListQueueTags: listQueueTags,
    PurgeQueue: purgeQueue,
    ReceiveMessage: receiveMessage,
    RemovePermission: unsupported,
    SendMessage: sendMessage,
    SendMessageBatch: sendMessageBatch,
    SetQueueAttributes: setQueueAttributes,
    StartMessageMoveTask: startMessageMoveTask,
    TagQueue: tagQueue,
    UntagQueue: untagQueue,
  }),
);

/** Throws UnknownOperationException. */
export function actionNamed(name: string): Action {
  const action = ACTIONS.get(name);
  if (action === undefined) throw new SqsFault('UnknownOperationException', `The action ${name} is not one of Amazon SQS.`);
  return action;
}
