import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Message, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { eventually, startTestStack, type TestStack } from './stack.ts';

const BUCKET = 'videos';

const notification = (bucket: string, key: string): string =>
  JSON.stringify({
    Records: [
      {
        ...{
          eventVersion: '2.1',
          eventSource: 'aws:s3',
          awsRegion: 'us-east-1',
          eventTime: '2026-11-22T10:00:00.000Z',
          eventName: 'ObjectCreated:Put',
        },
        s3: { s3SchemaVersion: '1.0', bucket: { name: bucket }, object: { key, size: 1, eTag: '0'.repeat(32), sequencer: '01' } },
      },
    ],
  });

/** Messages that nobody can ever read, and what their dead letters say. */
const DEAD = [
  { what: 'a message that is no JSON', body: 'hello {', code: 'MESSAGE_NOT_JSON', reason: /JSON/ },
  {
    what: 'JSON that is no notification',
    body: '{"hello":"world"}',
    code: 'MESSAGE_NOT_NOTIFICATION',
    reason: /no notification/,
  },
  { what: 'JSON that is no object', body: '[1,2,3]', code: 'MESSAGE_NOT_NOTIFICATION', reason: /no notification/ },
  {
    what: 'an event of another bucket',
    body: notification('somebody-elses', 'pipelines/j/segments.json'),
    code: 'BUCKET_NOT_ALLOWED',
    reason: /"somebody-elses"/,
  },
] as const;

/** Messages that are acknowledged without a look at any job; with the log line that says so. */
const IGNORED = [
  {
    what: 'a key outside of the prefix',
    body: notification(BUCKET, 'elsewhere/j/segments.json'),
    line: '"reason":"outside of pipelines/"',
  },
  {
    what: 'a job id that climbs out',
    body: notification(BUCKET, 'pipelines/../secrets/segments.json'),
    line: '\\"..\\" is no job id',
  },
  { what: 'a job id with a space', body: notification(BUCKET, 'pipelines/a+b/segments.json'), line: '\\"a b\\" is no job id' },
  {
    what: 'a file beside the jobs',
    body: notification(BUCKET, 'pipelines/readme.txt'),
    line: `"reason":"not inside a job's folder"`,
  },
  {
    what: 'a problem object',
    body: notification(BUCKET, 'pipelines/j/problems/segments.json.abc.json'),
    line: '"reason":"a problem object"',
  },
  {
    what: "the bucket's test event",
    body: JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: BUCKET }),
    line: '"reason":"a test event"',
  },
] as const;

describe('messages that are no good', () => {
  let directory: string;
  let stack: TestStack;
  let deadLetters: Message[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-messages-'));
    stack = await startTestStack({ workers: 1, env: { MILLRACE_LOG_LEVEL: 'debug' } });
    const { url, deadLetterUrl } = stack.stack.description.queue;
    for (const { body } of [...DEAD, ...IGNORED])
      await stack.sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body }));
    await eventually('all messages are settled', async () => (await stack.waitingMessages()) === 0);
    await eventually('the dead letters are there', async () => (await stack.waitingMessages(deadLetterUrl)) === DEAD.length);
    await eventually('all of them are received', async () => {
      const { Messages = [] } = await stack.sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: deadLetterUrl,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ['All'],
          VisibilityTimeout: 600,
        }),
      );
      deadLetters = [...deadLetters, ...Messages];
      return deadLetters.length >= DEAD.length;
    });
  });
  afterAll(async () => {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(DEAD)('$what goes to the dead letters as it was, with the reason', ({ body, code, reason }) => {
    const letter = deadLetters.find(({ Body }) => Body === body);
    expect(letter?.MessageAttributes?.['millrace-code']?.StringValue).toBe(code);
    expect(letter?.MessageAttributes?.['millrace-reason']?.StringValue).toMatch(reason);
  });

  it('buries each of them once, and nothing else', () => {
    expect(deadLetters.map(({ Body }) => Body).sort()).toEqual(DEAD.map(({ body }) => body).sort());
  });

  it.each(IGNORED)('$what is acknowledged, with a line in the log', ({ line }) => {
    expect(stack.lines.filter((each) => each.includes(line)).length).toBeGreaterThanOrEqual(1);
  });

  it('looks at no job for any of them', async () => {
    expect(stack.lines.filter((line) => line.includes('"reconciled"'))).toEqual([]);
    expect(await stack.objects('pipelines/')).toEqual([]);
  });

  it('lets a good job through on the same consumer, which is then quiet', async () => {
    const master = await makeAudio(ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg', directory, { name: 'master.wav', seconds: 1 });
    await stack.put('good', 'inputs/audio/master.wav', await readFile(master));
    await stack.put('good', 'segments.json', JSON.stringify([{ start_sec: 0, duration_sec: 0.5 }]));
    await stack.untilDone('good');
    await eventually('all events are settled', async () => (await stack.waitingMessages()) === 0);
    const before = await stack.objects('pipelines/');
    expect(before.map((line) => line.split(' ')[0]?.replace(/[0-9a-f]{32}/, 'FINGERPRINT'))).toEqual([
      'pipelines/good/inputs/audio/master.wav',
      'pipelines/good/results/segmentation/0/FINGERPRINT.1.succeeded.json',
      'pipelines/good/segments.json',
      'pipelines/good/stage/segmentation/audio_segments/segment_0.wav',
    ]);
    // An event of a finished job is looked at, and changes nothing.
    const { url } = stack.stack.description.queue;
    const looks = () => stack.lines.filter((line) => line.includes('"reconciled"')).length;
    const looksBefore = looks();
    await stack.sqs.send(
      new SendMessageCommand({ QueueUrl: url, MessageBody: notification(BUCKET, 'pipelines/good/segments.json') }),
    );
    await eventually('the job is looked at again', () => looks() > looksBefore);
    await eventually('the event is settled', async () => (await stack.waitingMessages()) === 0);
    expect(await stack.objects('pipelines/')).toEqual(before);
    expect(stack.dispatched('good')).toHaveLength(1);
  });
});
