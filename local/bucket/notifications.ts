/** Bucket notifications: their configuration, which event goes to which queue, and the messages. All pure. */
import { z } from 'zod';
import { formEncode } from './form-encoding.ts';
import { S3Error } from './s3-error.ts';
import { holding, readXml, repeated, writeXml, XmlText } from './xml.ts';

/** What happens to objects here, in the names of notification messages. */
export const OBJECT_EVENTS = [
  'ObjectCreated:Put',
  'ObjectCreated:Copy',
  'ObjectCreated:CompleteMultipartUpload',
  'ObjectRemoved:Delete',
] as const;
export type ObjectEvent = (typeof OBJECT_EVENTS)[number];

export const QueueNotification = z.object({
  id: z.string(),
  queueArn: z.string(),
  /** With the `s3:` in front, as configured. */
  events: z.array(z.string()),
  prefix: z.string(),
  suffix: z.string(),
});
export type QueueNotification = z.infer<typeof QueueNotification>;
export const QueueNotifications = z.array(QueueNotification);

/** Every name S3 has for what can happen here; `Post` (browser forms) and delete markers are accepted and never come. */
const KNOWN_EVENTS = new Set([
  's3:ObjectCreated:*',
  's3:ObjectCreated:Post',
  's3:ObjectRemoved:*',
  's3:ObjectRemoved:DeleteMarkerCreated',
  ...OBJECT_EVENTS.map((event) => `s3:${event}`),
]);
const OTHER_S3_EVENT =
  /^s3:(?:ReducedRedundancyLostObject|Replication:|ObjectRestore:|LifecycleTransition|LifecycleExpiration:|IntelligentTiering|ObjectTagging:|ObjectAcl:|TestEvent)/;
const QUEUE_ARN = /^arn:[a-z-]+:sqs:[a-z0-9-]*:[0-9]*:[A-Za-z0-9_-]{1,80}$/;
const MAX_CONFIGURATIONS = 100;

const Configuration = holding({
  QueueConfiguration: repeated(
    holding({
      Id: XmlText.optional(),
      Queue: XmlText,
      Event: repeated(XmlText),
      Filter: holding({
        S3Key: holding({ FilterRule: repeated(holding({ Name: XmlText, Value: XmlText })) }).optional(),
      }).optional(),
    }),
  ),
});
const UNSUPPORTED_TARGETS = ['TopicConfiguration', 'CloudFunctionConfiguration', 'EventBridgeConfiguration'];

/** Reads the body of PutBucketNotificationConfiguration. `newId` names configurations that come without one. */
export function parseNotifications(body: string, newId: () => string): QueueNotification[] {
  const configuration = readXml(body, 'NotificationConfiguration', Configuration);
  const unsupported = Object.keys(configuration).find((name) => UNSUPPORTED_TARGETS.includes(name));
  if (unsupported !== undefined) throw new S3Error('NotImplemented', undefined, { Element: unsupported });
  if (configuration.QueueConfiguration.length > MAX_CONFIGURATIONS) {
    throw new S3Error('InvalidArgument', `A bucket can have at most ${MAX_CONFIGURATIONS} notification configurations.`);
  }
  const notifications = configuration.QueueConfiguration.map(({ Id, Queue, Event, Filter }) => {
    for (const event of Event) assertEvent(event);
    if (Event.length === 0) throw new S3Error('MalformedXML');
    if (!QUEUE_ARN.test(Queue)) throw new S3Error('InvalidArgument', 'The ARN could not be parsed', { ArgumentName: 'Queue' });
    const filter = parseFilter(Filter?.S3Key?.FilterRule ?? []);
    return { id: Id === undefined || Id === '' ? newId() : Id, queueArn: Queue, events: Event, ...filter };
  });
  if (new Set(notifications.map(({ id }) => id)).size !== notifications.length) {
    throw new S3Error('InvalidArgument', 'Same ID used for multiple configurations. IDs must be unique.');
  }
  assertUnambiguous(notifications);
  return notifications;
}

function assertEvent(event: string): void {
  if (KNOWN_EVENTS.has(event)) return;
  if (OTHER_S3_EVENT.test(event)) throw new S3Error('NotImplemented', undefined, { Event: event });
  throw new S3Error('InvalidArgument', 'The event is not supported for notifications.', {
    ArgumentName: 'Event',
    ArgumentValue: event,
  });
}

function parseFilter(rules: readonly { Name: string; Value: string }[]): { prefix: string; suffix: string } {
  const filter = { prefix: '', suffix: '' };
  const seen = new Set<string>();
  for (const { Name, Value } of rules) {
    const name = Name.toLowerCase();
    if (name !== 'prefix' && name !== 'suffix') {
      throw new S3Error('InvalidArgument', 'filter rule name must be either prefix or suffix', {
        ArgumentName: 'FilterRule.Name',
      });
    }
    if (seen.has(name)) {
      throw new S3Error('InvalidArgument', 'Cannot specify more than one prefix rule and one suffix rule in a filter.');
    }
    seen.add(name);
    filter[name] = Value;
  }
  return filter;
}

/** S3 refuses two configurations that could both want one event. */
function assertUnambiguous(notifications: readonly QueueNotification[]): void {
  for (const [index, one] of notifications.entries()) {
    for (const other of notifications.slice(index + 1)) {
      const sameKeys =
        (one.prefix.startsWith(other.prefix) || other.prefix.startsWith(one.prefix)) &&
        (one.suffix.endsWith(other.suffix) || other.suffix.endsWith(one.suffix));
      const sameEvents = one.events.some((event) =>
        other.events.some((candidate) => covers(event, candidate) || covers(candidate, event)),
      );
      if (sameKeys && sameEvents) {
        throw new S3Error(
          'InvalidArgument',
          'Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.',
        );
      }
    }
  }
}

const covers = (configured: string, event: string): boolean =>
  configured === event || (configured.endsWith('*') && event.startsWith(configured.slice(0, -1)));

/** The configurations that want to hear of this event. */
export function interested(notifications: readonly QueueNotification[], event: ObjectEvent, key: string): QueueNotification[] {
  return notifications.filter(
    ({ events, prefix, suffix }) =>
      key.startsWith(prefix) && key.endsWith(suffix) && events.some((configured) => covers(configured, `s3:${event}`)),
  );
}

/** The answer to GetBucketNotificationConfiguration. */
export function writeNotifications(notifications: readonly QueueNotification[]): string {
  return writeXml('NotificationConfiguration', {
    QueueConfiguration: notifications.map(({ id, queueArn, events, prefix, suffix }) => ({
      Id: id,
      Queue: queueArn,
      Event: events,
      Filter:
        prefix === '' && suffix === ''
          ? undefined
          : {
              S3Key: {
                FilterRule: [
                  ...(prefix === '' ? [] : [{ Name: 'Prefix', Value: prefix }]),
                  ...(suffix === '' ? [] : [{ Name: 'Suffix', Value: suffix }]),
                ],
              },
            },
    })),
  });
}

export interface EventFacts {
  readonly event: ObjectEvent;
  readonly bucket: string;
  readonly key: string;
  /** Left out when the object was removed. */
  readonly content?: { readonly sizeBytes: number; readonly etag: string };
  readonly sequence: number;
  readonly timeMs: number;
  readonly region: string;
  readonly requestId: string;
  readonly sourceIpAddress: string;
}

/** The one account that there is. */
export const OWNER_ID = '000000000000';

/** The body of the message, with its one record. Shape: "Event message structure" in the Amazon S3 user guide. */
export function eventMessage(facts: EventFacts, configurationId: string): string {
  const { event, bucket, key, content, sequence, timeMs, region, requestId, sourceIpAddress } = facts;
  return JSON.stringify({
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion: region,
        eventTime: new Date(timeMs).toISOString(),
        eventName: event,
        userIdentity: { principalId: `AWS:${OWNER_ID}` },
        requestParameters: { sourceIPAddress: sourceIpAddress },
        responseElements: { 'x-amz-request-id': requestId, 'x-amz-id-2': requestId },
        s3: {
          s3SchemaVersion: '1.0',
          configurationId,
          bucket: { name: bucket, ownerIdentity: { principalId: OWNER_ID }, arn: `arn:aws:s3:::${bucket}` },
          object: {
            key: formEncode(key),
            ...(content === undefined ? {} : { size: content.sizeBytes, eTag: content.etag }),
            sequencer: sequence.toString(16).toUpperCase().padStart(16, '0'),
          },
        },
      },
    ],
  });
}

/** What S3 sends to a queue when a notification is configured for it. */
export function testMessage(bucket: string, timeMs: number, requestId: string): string {
  return JSON.stringify({
    Service: 'Amazon S3',
    Event: 's3:TestEvent',
    Time: new Date(timeMs).toISOString(),
    Bucket: bucket,
    RequestId: requestId,
    HostId: requestId,
  });
}
