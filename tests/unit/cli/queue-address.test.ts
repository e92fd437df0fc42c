import { describe, expect, test } from 'vitest';
import { queueAddress, refuseOneQueue } from '../../../cli/queue-address.ts';

const VARIABLE = 'MILLRACE_QUEUE_URL';

describe('the queue that a setting names', () => {
  test.each(['https://sqs.eu-west-1.amazonaws.com/123456789012/millrace', 'http://127.0.0.1:9101/000000000000/millrace'])(
    'is on SQS: %s',
    (url) => {
      expect(queueAddress(url, VARIABLE)).toEqual({ kind: 'sqs', url });
    },
  );

  test('is on Cloudflare by the path of its API, whatever the host', () => {
    const url = 'https://api.cloudflare.com/client/v4/accounts/a1/queues/q1';
    expect(queueAddress(url, VARIABLE)).toEqual({ kind: 'cloudflare', url });
    expect(queueAddress('http://127.0.0.1:9101/client/v4/accounts/local/queues/q1/', VARIABLE)).toEqual({
      kind: 'cloudflare',
      url: 'http://127.0.0.1:9101/client/v4/accounts/local/queues/q1',
    });
  });

  test('is on Pub/Sub by its name', () => {
    const subscription = 'projects/acme/subscriptions/millrace';
    expect(queueAddress(subscription, VARIABLE)).toEqual({ kind: 'pubsub', project: 'acme', subscription });
  });

  test('must be of the kind that is wanted', () => {
    expect(() => queueAddress('projects/acme/subscriptions/dead', 'MILLRACE_DEAD_LETTER_QUEUE_URL', 'sqs')).toThrow(
      'MILLRACE_DEAD_LETTER_QUEUE_URL: expected a queue of the same kind as MILLRACE_QUEUE_URL (sqs), found one of pubsub',
    );
  });

  test('must be another one for the dead letters', () => {
    const url = 'https://sqs.eu-west-1.amazonaws.com/1/millrace';
    expect(() => refuseOneQueue(`${url}/`, url)).toThrow(
      'MILLRACE_DEAD_LETTER_QUEUE_URL: expected another queue than MILLRACE_QUEUE_URL, found the same',
    );
    expect(() => refuseOneQueue(`${url}-dead-letters`, url)).not.toThrow();
    expect(() => refuseOneQueue(url, undefined)).not.toThrow();
  });

  test.each(['projects/acme/topics/millrace', 'millrace', 'https://sqs.eu-west-1.amazonaws.com', 'ftp://x/y'])(
    'is none: %s, and the error names the variable',
    (text) => {
      expect(() => queueAddress(text, VARIABLE)).toThrow(`${VARIABLE}: names no queue`);
    },
  );
});
