import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_REQUEST_BYTES } from '../../../../local/queue/limits.ts';
import { type LocalQueue, startQueue } from '../../../../local/queue/queue.ts';
import { createLogger } from '../../../../log.ts';
import { CREDENTIALS, REGION } from './client.ts';
import { type SigningChoices, signedHeaders } from './signed-request.ts';

const lines: string[] = [];
let dataDir: string;
let queue: LocalQueue;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'millrace-server-'));
  const log = createLogger({ level: 'trace', name: 'queue', stream: { write: (line) => lines.push(line) } });
  queue = await startQueue({ dataDir, port: 0, region: REGION, ...CREDENTIALS, log });
});
afterAll(async () => {
  await queue.close();
  rmSync(dataDir, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly error: string | null;
}

async function post(body: string, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(queue.endpoint, { method: 'POST', body, headers });
  return { status: response.status, body: await response.json(), error: response.headers.get('x-amzn-query-error') };
}
const call = (target: string, input: object, choices?: SigningChoices) => {
  const body = JSON.stringify(input);
  return post(body, signedHeaders(queue.endpoint, target, body, choices));
};

describe('a signature', () => {
  test('that is right is let in', async () => {
    expect(await call('AmazonSQS.ListQueues', {})).toEqual({ status: 200, body: { QueueUrls: [] }, error: null });
  });

  const refused: readonly (readonly [string, SigningChoices, string])[] = [
    ['of another secret', { secretAccessKey: 'other' }, 'SignatureDoesNotMatch'],
    ['of an unknown key', { accessKeyId: 'other' }, 'InvalidClientTokenId'],
    ['for another service', { service: 's3' }, 'SignatureDoesNotMatch'],
    ['for another region', { region: 'eu-west-1' }, 'SignatureDoesNotMatch'],
    ['from sixteen minutes ago', { atMs: Date.now() - 16 * 60_000 }, 'SignatureDoesNotMatch'],
    ['from sixteen minutes ahead', { atMs: Date.now() + 16 * 60_000 }, 'SignatureDoesNotMatch'],
    ['that leaves the target out', { signedHeaders: ['host', 'x-amz-date'] }, 'SignatureDoesNotMatch'],
    ['that leaves the host out', { signedHeaders: ['x-amz-date', 'x-amz-target'] }, 'SignatureDoesNotMatch'],
  ];
  test.each(refused)('%s is refused', async (_, choices, code) => {
    expect(await call('AmazonSQS.ListQueues', {}, choices)).toMatchObject({ status: 403, error: `${code};Sender` });
  });

  test('of another body is refused', async () => {
    const headers = signedHeaders(queue.endpoint, 'AmazonSQS.CreateQueue', '{"QueueName":"one"}');
    expect(await post('{"QueueName":"two"}', headers)).toMatchObject({ status: 403, error: 'SignatureDoesNotMatch;Sender' });
  });

  test('that is missing or no such thing is refused', async () => {
    const { authorization: _, ...unsigned } = signedHeaders(queue.endpoint, 'AmazonSQS.ListQueues', '{}');
    expect(await post('{}', unsigned)).toMatchObject({ status: 403, error: 'MissingAuthenticationToken;Sender' });
    const basic = { ...unsigned, authorization: 'Basic dGVzdDp0ZXN0' };
    expect(await post('{}', basic)).toMatchObject({ status: 400, error: 'IncompleteSignature;Sender' });
  });
});

test('an action that SQS does not have is refused', async () => {
  expect(await call('AmazonSQS.FlyToTheMoon', {})).toMatchObject({
    status: 400,
    body: { __type: 'com.amazon.coral.service#UnknownOperationException' },
  });
  expect((await call('AmazonSQS.constructor', {})).status).toBe(400);
  expect((await call('DynamoDB.ListTables', {})).status).toBe(400);
});

test('an action that SQS has and this queue does not is refused by name', async () => {
  expect(await call('AmazonSQS.AddPermission', {})).toMatchObject({
    status: 400,
    body: { __type: 'com.amazonaws.sqs#UnsupportedOperation' },
    error: 'AWS.SimpleQueueService.UnsupportedOperation;Sender',
  });
});

test('the older query protocol is told which one is spoken', async () => {
  const form = await post('Action=ListQueues&Version=2012-11-05', { 'content-type': 'application/x-www-form-urlencoded' });
  expect(form).toMatchObject({ status: 400, body: { message: expect.stringContaining('only the JSON protocol') } });
  const get = await fetch(`${queue.endpoint}/?Action=ListQueues`);
  expect(get.status).toBe(400);
  expect(await get.text()).toContain('only the JSON protocol');
});

test('a body that is no JSON, or too long, is refused', async () => {
  const broken = '{"QueueName":';
  const headers = signedHeaders(queue.endpoint, 'AmazonSQS.CreateQueue', broken);
  expect(await post(broken, headers)).toMatchObject({ status: 400, error: 'MalformedInput;Sender' });
  const long = 'x'.repeat(MAX_REQUEST_BYTES + 1);
  expect((await post(long, signedHeaders(queue.endpoint, 'AmazonSQS.CreateQueue', long))).status).toBe(413);
});

test('a message for a queue that does not exist is refused in process too', async () => {
  await expect(queue.sendToArn(`arn:aws:sqs:${REGION}:000000000000:none`, 'm')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(queue.sendToArn('none', 'm')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('a message that the queue refuses is refused in process too, and one that it takes has arrived', async () => {
  await call('AmazonSQS.CreateQueue', { QueueName: 'work' });
  const arn = `arn:aws:sqs:${REGION}:000000000000:work`;
  await expect(queue.sendToArn(arn, 'a\u0000b')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await queue.sendToArn(arn, 'a secret of the message');
  const received = await call('AmazonSQS.ReceiveMessage', { QueueUrl: `${queue.endpoint}/000000000000/work` });
  expect(received.body).toMatchObject({ Messages: [{ Body: 'a secret of the message' }] });
});

test('a port or a folder that another server has is refused', async () => {
  const log = createLogger({ level: 'silent', name: 'queue' });
  const again = (folder: string, port: number) => startQueue({ dataDir: folder, port, region: REGION, ...CREDENTIALS, log });
  await expect(again(dataDir, 0)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(again(join(dataDir, 'other'), queue.port)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('its log names actions and faults, and holds no key, no signature and no message', () => {
  const text = lines.join('');
  expect(text).toContain('AmazonSQS.FlyToTheMoon');
  for (const secret of [CREDENTIALS.accessKeyId, CREDENTIALS.secretAccessKey, 'Signature=', 'a secret of the message']) {
    expect(text).not.toContain(secret);
  }
});
