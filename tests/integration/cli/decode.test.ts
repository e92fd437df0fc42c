import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace } from './millrace.ts';

const record = (eventName: string, object: object) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  eventTime: '2026-01-02T03:04:05.678Z',
  eventName,
  s3: { bucket: { name: 'videos' }, object },
});
const NOTIFICATION = JSON.stringify({
  Records: [
    record('ObjectCreated:Put', { key: 'pipelines/a/c%2B%2B+notes.mp4', size: 7, eTag: 'e', versionId: 'v', sequencer: '05' }),
    record('ObjectTagging:Put', { key: 'pipelines/a/x' }),
    record('ObjectRemoved:Delete', { key: 'pipelines/a/y' }),
  ],
});
const LINES = [
  {
    ...{ kind: 'created', source: 's3', bucket: 'videos', key: 'pipelines/a/c++ notes.mp4', etag: 'e', size_bytes: 7 },
    ...{ version_id: 'v', sequencer: '05', time: '2026-01-02T03:04:05.678Z' },
  },
  { kind: 'ignored', reason: 'ObjectTagging:Put is no change of content' },
  { kind: 'removed', source: 's3', bucket: 'videos', key: 'pipelines/a/y', time: '2026-01-02T03:04:05.678Z' },
];

describe.concurrent('millrace decode', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-decode-'));
    await writeFile(join(directory, 'message.json'), NOTIFICATION);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const decode = async (args: readonly string[], input = '', env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await millrace(['decode', ...args], { cwd: directory, input, env });
    const lines = stdout === '' ? [] : stdout.trimEnd().split('\n');
    return { code, stderr, lines: lines.map((line): unknown => JSON.parse(line)) };
  };

  it.each([
    ['a file', ['message.json'], ''],
    ['standard input', [], NOTIFICATION],
    ['standard input, by its name', ['-'], NOTIFICATION],
    ['base64', [], Buffer.from(NOTIFICATION).toString('base64')],
  ])('prints one line of JSON per record of %s', async (_what, args, input) => {
    expect(await decode(args, input)).toEqual({ code: 0, stderr: '', lines: LINES });
  });

  it('needs no environment, and is not held up by one that is wrong', async () => {
    expect(await decode([], NOTIFICATION, { S3_ENDPOINT_URL: 'nowhere', MILLRACE_CONCURRENCY: 'many' })).toMatchObject({
      ...{ code: 0, lines: LINES },
    });
  });

  it('names the emitter of every message in an answer of a queue', async () => {
    const r2 = JSON.stringify({ account: 'a', action: 'LifecycleDeletion', bucket: 'videos', object: { key: 'a%20b+c' } });
    const attributes = { eventType: 'OBJECT_FINALIZE', bucketId: 'videos', objectId: 'a+b', objectGeneration: '12' };
    const bridge = { source: 'aws.s3', 'detail-type': 'Object Created', detail: { bucket: { name: 'v' }, object: { key: 'k' } } };
    const Messages = [r2, JSON.stringify({ message: { attributes } }), JSON.stringify(bridge)].map((Body) => ({ Body }));
    expect((await decode([], JSON.stringify({ Messages }))).lines).toEqual([
      { kind: 'removed', source: 'r2', bucket: 'videos', key: 'a%20b+c' },
      { kind: 'created', source: 'gcs', bucket: 'videos', key: 'a+b', generation: '12', sequencer: '12' },
      { kind: 'created', source: 's3', bucket: 'v', key: 'k', via: 'eventbridge' },
    ]);
  });

  it('says that a test event is ignored', async () => {
    expect(await decode([], '{"Service":"Amazon S3","Event":"s3:TestEvent"}')).toEqual({
      ...{ code: 0, stderr: '', lines: [{ kind: 'ignored', reason: 'a test event' }] },
    });
  });

  it.each([
    ['nothing', '', 'a message is not JSON: it is empty (MESSAGE_NOT_JSON)'],
    ['text', 'hello', 'a message is not JSON: it has 5 characters (MESSAGE_NOT_JSON)'],
    ['another document', '{"hello":1}', 'but no notification of S3, EventBridge, MinIO, Ceph, R2 or Cloud Storage'],
    ['a record without its bucket', '{"Records":[{"eventName":"x","s3":{"bucket":{},"object":{"key":"k"}}}]}', 's3.bucket.name'],
  ])('exits 65 with the reason on stderr for %s', async (_what, input, reason) => {
    const { code, stderr, lines } = await decode([], input);
    expect({ code, lines }).toEqual({ code: 65, lines: [] });
    expect(stderr).toContain(reason);
  });

  it('prints what can be read beside what cannot, and names that', async () => {
    const answer = JSON.stringify({ Messages: [{ Body: 'hello' }, { Body: NOTIFICATION }] });
    expect(await decode([], answer)).toEqual({
      code: 65,
      lines: LINES,
      stderr: `Messages[0]: a message is not JSON: it has 5 characters (MESSAGE_NOT_JSON)
millrace: 1 of 2 messages cannot be read (MESSAGE_NOT_JSON)
`,
    });
  });

  it('refuses what is not text', async () => {
    await writeFile(join(directory, 'clip.mp4'), Buffer.from([0, 0, 0, 0x20, 0xff, 0xfe, 0x80]));
    expect(await decode(['clip.mp4'])).toMatchObject({ code: 65, stderr: expect.stringContaining('clip.mp4 is not UTF-8') });
  });

  it('reads no more than a queue could have handed out', async () => {
    const { code, stderr } = await decode(['/dev/zero']);
    expect(code).toBe(65);
    expect(stderr).toContain('/dev/zero has more than 16777216 bytes');
  });

  it.each([['missing.json'], ['.']])('exits 64 where %s cannot be read', async (file) => {
    const { code, stderr } = await decode([file]);
    expect(code).toBe(64);
    expect(stderr).toContain(`${file} cannot be read`);
  });
});
