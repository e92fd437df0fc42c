/** Cloud Storage's notification configurations of the bucket: do they lead to the topic that the subscription is on? */
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { readSubscription } from '../../consumers/pubsub-calls.ts';
import { pubsubError } from '../../consumers/pubsub-client.ts';
import { MillraceError } from '../../errors.ts';
import { createGcsClient } from '../../storage/gcs-client.ts';
import { GcsRefusal } from '../../storage/gcs-errors.ts';
import type { QueueAddress } from '../queue-address.ts';
import { pubsubClient } from '../queue-clients.ts';
import type { Examination } from './examination.ts';
import { type Finding, ok, skipped } from './finding.ts';
import { judgeRules, type NotificationRule } from './notification-rules.ts';

const CREATED = ['OBJECT_FINALIZE'];
const REMOVED = ['OBJECT_DELETE'];
const TRIES = 2;

const Notification = z.object({
  id: z.string().default(''),
  topic: z.string().default(''),
  /** Left out: all of them. */
  event_types: z.array(z.string()).default([...CREATED, ...REMOVED]),
  object_name_prefix: z.string().default(''),
});
const Answer = z.object({ items: z.array(Notification).default([]) });

type Subscription = Extract<QueueAddress, { kind: 'pubsub' }>;

export async function gcsNotification(
  examination: Examination,
  address: Subscription,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { config, store } = examination;
  const { bucket } = store;
  const topic = await topicOf(examination, address);
  const items = await list(examination, signal);
  if ('outcome' in items) return [items];
  const ours = items.filter((item) => item.topic.endsWith(`/${topic}`));
  const wrongs = judgeRules(
    ours.map(({ id, object_name_prefix, event_types }): NotificationRule => {
      return { id, prefix: object_name_prefix, suffix: '', events: new Set(event_types) };
    }),
    {
      pipelinesPrefix: config.MILLRACE_PIPELINES_PREFIX,
      statePrefix: config.MILLRACE_STATE_PREFIX,
      created: CREATED,
      removed: REMOVED,
      fix: (rule) => {
        const path = `projects/_/buckets/${bucket}/notificationConfigs`;
        const remove = rule === undefined ? '' : `gcloud storage buckets notifications delete ${path}/${rule.id} && `;
        const create = `gcloud storage buckets notifications create gs://${bucket} --topic=${topic} --payload-format=json`;
        return `${remove}${create} --event-types=OBJECT_FINALIZE,OBJECT_DELETE --object-prefix=${config.MILLRACE_PIPELINES_PREFIX}/`;
      },
    },
    topic,
  );
  const elsewhere = items.map((item) => item.topic.replace(/^\/\/[^/]+\//, '')).join(', ');
  if (ours.length === 0 && elsewhere !== '')
    return wrongs.map((each) => ({ ...each, found: `${each.found}; it tells ${elsewhere}` }));
  if (wrongs.length > 0) return wrongs;
  return [
    ok(
      `the bucket tells ${topic} of what is created and removed under ${config.MILLRACE_PIPELINES_PREFIX}/, and the subscription is on it`,
    ),
  ];
}

async function topicOf({ config }: Examination, { project, subscription }: Subscription): Promise<string> {
  const client = await pubsubClient(config, project);
  try {
    return (await readSubscription(client, subscription)).topic;
  } catch (thrown) {
    throw pubsubError(thrown, subscription);
  } finally {
    await client.close();
  }
}

async function list({ config, store: { bucket } }: Examination, signal: AbortSignal) {
  const { MILLRACE_GCS_ENDPOINT: apiEndpoint, GOOGLE_APPLICATION_CREDENTIALS: keyFile } = config;
  const client = createGcsClient({
    ...{ maxAttempts: TRIES },
    ...(apiEndpoint === undefined ? {} : { apiEndpoint }),
    ...(keyFile === undefined ? {} : { keyFile }),
  });
  try {
    const target = `/storage/v1/b/${encodeURIComponent(bucket)}/notificationConfigs`;
    const answer = await client.repeatedly({ method: 'GET', target, signal });
    return Answer.parse(JSON.parse(await text(answer.body))).items;
  } catch (thrown) {
    if (!(thrown instanceof GcsRefusal)) throw thrown;
    if (thrown.status !== 403) throw new MillraceError('STORE_ERROR', `Google answered ${thrown.status} (${thrown.reason})`);
    const look = `gcloud storage buckets notifications list gs://${bucket}`;
    return skipped(
      'this account may not read the bucket\u2019s notifications (storage.buckets.get)',
      `With an account that may: ${look}`,
    );
  } finally {
    client.close();
  }
}
