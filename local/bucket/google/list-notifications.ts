/** The JSON API's notificationConfigs.list, over what the S3 API has configured. */
import type { S3Response } from '../response.ts';
import { answer, type GoogleCall } from './call.ts';

/** Google's events, and the one of S3's that each stands for. */
const EVENT_TYPES = { OBJECT_FINALIZE: 's3:ObjectCreated:', OBJECT_DELETE: 's3:ObjectRemoved:' } as const;

export function listNotifications(call: GoogleCall, topicOf: (queueArn: string) => string): S3Response {
  const { state, bucket } = call;
  state.objects.assertBucket(bucket);
  const items = state.objects.notifications(bucket).map(({ queueArn, events, prefix }, index) => ({
    kind: 'storage#notification',
    id: String(index + 1),
    topic: `//pubsub.googleapis.com/${topicOf(queueArn)}`,
    event_types: Object.entries(EVENT_TYPES).flatMap(([type, start]) =>
      events.some((event) => event.startsWith(start)) ? [type] : [],
    ),
    payload_format: 'JSON_API_V1',
    ...(prefix === '' ? {} : { object_name_prefix: prefix }),
  }));
  return answer(call, { kind: 'storage#notifications', ...(items.length === 0 ? {} : { items }) });
}
