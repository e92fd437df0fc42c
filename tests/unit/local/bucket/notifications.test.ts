import { describe, expect, test } from 'vitest';
import {
  eventMessage,
  interested,
  parseNotifications,
  type QueueNotification,
  testMessage,
  writeNotifications,
} from '../../../../local/bucket/notifications.ts';

const QUEUE = 'arn:aws:sqs:us-east-1:000000000000:events';
const configuration = (inner: string) =>
  `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</NotificationConfiguration>`;
const queue = (events: readonly string[], rules: readonly (readonly [string, string])[] = [], id = 'one') =>
  `<QueueConfiguration><Id>${id}</Id><Queue>${QUEUE}</Queue>${events.map((event) => `<Event>${event}</Event>`).join('')}<Filter><S3Key>${rules
    .map(([name, value]) => `<FilterRule><Name>${name}</Name><Value>${value}</Value></FilterRule>`)
    .join('')}</S3Key></Filter></QueueConfiguration>`;
const parse = (body: string) => parseNotifications(body, () => 'made-up');

describe('a configuration', () => {
  test('is read, and written so that it reads the same', () => {
    const read = parse(
      configuration(
        queue(
          ['s3:ObjectCreated:*', 's3:ObjectRemoved:Delete'],
          [
            ['Prefix', 'a&amp;b/'],
            ['suffix', '.json'],
          ],
        ),
      ),
    );
    expect(read).toEqual([
      { id: 'one', queueArn: QUEUE, events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:Delete'], prefix: 'a&b/', suffix: '.json' },
    ]);
    expect(parse(writeNotifications(read))).toEqual(read);
  });

  test('may be empty, which clears it', () => {
    expect(parse('<NotificationConfiguration/>')).toEqual([]);
    expect(parse(configuration(''))).toEqual([]);
  });

  test('gets an id where it has none', () => {
    const body = configuration(queue(['s3:ObjectCreated:*']).replace('<Id>one</Id>', ''));
    expect(parse(body)[0]?.id).toBe('made-up');
  });

  test.each([
    ['a topic', configuration('<TopicConfiguration><Topic>t</Topic></TopicConfiguration>'), 'NotImplemented'],
    ['a function', configuration('<CloudFunctionConfiguration/>'), 'NotImplemented'],
    ['EventBridge', configuration('<EventBridgeConfiguration/>'), 'NotImplemented'],
    ['an event of S3 that never comes here', configuration(queue(['s3:ObjectTagging:Put'])), 'NotImplemented'],
    ['an event of nobody', configuration(queue(['s3:ObjectExploded'])), 'InvalidArgument'],
    ['no event', configuration(queue([])), 'MalformedXML'],
    ['an ARN that is none', configuration(queue(['s3:ObjectCreated:*'])).replace(QUEUE, 'events'), 'InvalidArgument'],
    [
      'two prefixes',
      configuration(
        queue(
          ['s3:ObjectCreated:*'],
          [
            ['prefix', 'a'],
            ['prefix', 'b'],
          ],
        ),
      ),
      'InvalidArgument',
    ],
    ['another rule', configuration(queue(['s3:ObjectCreated:*'], [['regex', 'a']])), 'InvalidArgument'],
    [
      'an id twice',
      configuration(queue(['s3:ObjectCreated:*'], [['prefix', 'a']]) + queue(['s3:ObjectCreated:*'], [['prefix', 'b']])),
      'InvalidArgument',
    ],
    ['a document type', `<!DOCTYPE x [<!ENTITY e "x">]>${configuration('')}`, 'MalformedXML'],
    ['no XML', 'not xml', 'MalformedXML'],
    ['another document', '<Other/>', 'MalformedXML'],
  ])('with %s is refused', (_, body, code) => {
    expect(() => parse(body)).toThrow(expect.objectContaining({ code }));
  });

  test('is refused where two of its parts want the same event', () => {
    const overlapping =
      queue(['s3:ObjectCreated:*'], [['prefix', 'a/']]) + queue(['s3:ObjectCreated:Put'], [['prefix', 'a/b/']], 'two');
    expect(() => parse(configuration(overlapping))).toThrow('ambiguously');
    const apart = queue(['s3:ObjectCreated:*'], [['prefix', 'a/']]) + queue(['s3:ObjectRemoved:*'], [['prefix', 'a/b/']], 'two');
    expect(parse(configuration(apart))).toHaveLength(2);
  });
});

describe('interested', () => {
  const notification = (more: object): QueueNotification => ({
    id: 'one',
    queueArn: QUEUE,
    events: ['s3:ObjectCreated:*'],
    prefix: '',
    suffix: '',
    ...more,
  });

  test.each([
    [{}, 'ObjectCreated:Copy', 'any', true],
    [{}, 'ObjectRemoved:Delete', 'any', false],
    [{ events: ['s3:ObjectCreated:Put'] }, 'ObjectCreated:Copy', 'any', false],
    [{ events: ['s3:ObjectCreated:Put', 's3:ObjectRemoved:*'] }, 'ObjectRemoved:Delete', 'any', true],
    [{ prefix: 'pipelines/' }, 'ObjectCreated:Put', 'pipelines/x', true],
    [{ prefix: 'pipelines/' }, 'ObjectCreated:Put', 'pipelines-state/x', false],
    [{ suffix: '.json' }, 'ObjectCreated:Put', 'a.json', true],
    [{ suffix: '.json' }, 'ObjectCreated:Put', 'a.jsonl', false],
    [{ prefix: 'a/', suffix: '.json' }, 'ObjectCreated:Put', 'b/a/.json', false],
  ] as const)('%j hears of %s %s: %s', (more, event, key, expected) => {
    expect(interested([notification(more)], event, key)).toHaveLength(expected ? 1 : 0);
  });
});

describe('a message', () => {
  const facts = {
    event: 'ObjectCreated:Put',
    bucket: 'videos',
    key: "pipelines/jö b/a+b%2F(1)'~.txt",
    content: { sizeBytes: 5, etag: '5d41402abc4b2a76b9719d911017c592' },
    sequence: 255,
    timeMs: Date.parse('2026-01-02T03:04:05.678Z'),
    region: 'eu-central-1',
    requestId: 'D82B88E5F771F645',
    sourceIpAddress: '127.0.0.1',
  } as const;

  test('has the documented shape, with a form-encoded key', () => {
    expect(JSON.parse(eventMessage(facts, 'configuration'))).toEqual({
      Records: [
        {
          eventVersion: '2.1',
          eventSource: 'aws:s3',
          awsRegion: 'eu-central-1',
          eventTime: '2026-01-02T03:04:05.678Z',
          eventName: 'ObjectCreated:Put',
          userIdentity: { principalId: 'AWS:000000000000' },
          requestParameters: { sourceIPAddress: '127.0.0.1' },
          responseElements: { 'x-amz-request-id': 'D82B88E5F771F645', 'x-amz-id-2': 'D82B88E5F771F645' },
          s3: {
            s3SchemaVersion: '1.0',
            configurationId: 'configuration',
            bucket: { name: 'videos', ownerIdentity: { principalId: '000000000000' }, arn: 'arn:aws:s3:::videos' },
            object: {
              key: 'pipelines/j%C3%B6+b/a%2Bb%252F%281%29%27%7E.txt',
              size: 5,
              eTag: '5d41402abc4b2a76b9719d911017c592',
              sequencer: '00000000000000FF',
            },
          },
        },
      ],
    });
  });

  test('of a removal has neither size nor ETag', () => {
    const { content: _, ...removal } = { ...facts, event: 'ObjectRemoved:Delete' as const };
    expect(Object.keys(JSON.parse(eventMessage(removal, 'c')).Records[0].s3.object)).toEqual(['key', 'sequencer']);
  });

  test('that tests a queue is no record', () => {
    expect(JSON.parse(testMessage('videos', facts.timeMs, 'ID'))).toEqual({
      Service: 'Amazon S3',
      Event: 's3:TestEvent',
      Time: '2026-01-02T03:04:05.678Z',
      Bucket: 'videos',
      RequestId: 'ID',
      HostId: 'ID',
    });
  });
});
