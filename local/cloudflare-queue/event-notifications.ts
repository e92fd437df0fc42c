/** R2's event notifications, as Cloudflare's API shows them: which bucket tells which queue of what. They are only looked at here. */
import { createHash } from 'node:crypto';
import { ApiFault, noRoute } from './api-fault.ts';

/** One rule of a bucket, in the words of S3's notification configuration, which is what the local bucket has. */
export interface BucketNotification {
  readonly id: string;
  readonly prefix: string;
  readonly suffix: string;
  /** `s3:ObjectCreated:*` and its like. */
  readonly events: readonly string[];
}

export interface NotifiedQueue {
  readonly queueId: string;
  readonly queueName: string;
}

const PATH = /^\/([^/]+)\/configuration(?:\/queues\/([^/]+))?$/;
const ACTIONS = {
  PutObject: 'ObjectCreated:Put',
  CopyObject: 'ObjectCreated:Copy',
  CompleteMultipartUpload: 'ObjectCreated:CompleteMultipartUpload',
  DeleteObject: 'ObjectRemoved:Delete',
  LifecycleDeletion: 'ObjectRemoved:*',
} as const;

/** `path` is what follows `/event_notifications/r2`. All rules belong to the one queue. Throws ApiFault. */
export function describeNotifications(
  path: string,
  queue: NotifiedQueue,
  notificationsOf: (bucket: string) => readonly BucketNotification[],
): object {
  const [, bucket, queueId] = PATH.exec(path) ?? [];
  if (bucket === undefined) throw noRoute();
  const rules = notificationsOf(decodeURIComponent(bucket)).map(ruleOf);
  if (rules.length === 0 || (queueId !== undefined && queueId !== queue.queueId)) {
    throw new ApiFault(404, 11_015, 'workers.api.error.no_configs_found_for_bucket');
  }
  return queueId === undefined ? { bucketName: bucket, queues: [{ ...queue, rules }] } : { ...queue, rules };
}

function ruleOf({ id, prefix, suffix, events }: BucketNotification): object {
  return {
    ruleId: createHash('sha256').update(id).digest('hex').slice(0, 32),
    description: id,
    prefix,
    suffix,
    actions: Object.entries(ACTIONS).flatMap(([action, event]) => (events.some((each) => covers(each, event)) ? [action] : [])),
  };
}

const covers = (configured: string, event: string): boolean =>
  configured === `s3:${event}` || (configured.endsWith('*') && `s3:${event}`.startsWith(configured.slice(0, -1)));
