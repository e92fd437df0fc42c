import { describe, expect, test } from 'vitest';
import { createPubsubClient } from '../../../consumers/pubsub-client.ts';
import { parseSubscriptionName, parseTopicName } from '../../../consumers/pubsub-names.ts';

describe('names of Pub/Sub', () => {
  test('say their project and their id', () => {
    expect(parseSubscriptionName('projects/my-project/subscriptions/millrace')).toEqual({
      projectId: 'my-project',
      id: 'millrace',
    });
    expect(parseTopicName('projects/example.com:my-project/topics/a.b_c~d+e%f')).toEqual({
      projectId: 'example.com:my-project',
      id: 'a.b_c~d+e%f',
    });
  });

  test('a topic where a subscription is wanted is called one', () => {
    expect(() => parseSubscriptionName('projects/my-project/topics/millrace', 'MILLRACE_QUEUE_URL')).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: 'MILLRACE_QUEUE_URL names one of the topics: "projects/my-project/topics/millrace".',
        fix: expect.stringContaining('projects/<project>/subscriptions/<id>'),
      }),
    );
    expect(() => parseTopicName('projects/my-project/subscriptions/millrace')).toThrow('names one of the subscriptions');
  });

  test.each([
    '',
    'millrace',
    'https://sqs.eu-west-1.amazonaws.com/1/queue',
    'projects/p/subscriptions/',
    'projects/p/subscriptions/a/b',
    'projects//subscriptions/abc',
    'projects/p/subscriptions/1-begins-with-a-digit',
    ' projects/p/subscriptions/abc',
  ])('%j is none', (name) => {
    expect(() => parseSubscriptionName(name)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  test.each(['http://127.0.0.1:8085', '127.0.0.1', 'host:port', ''])('%j is no address of an emulator', (emulatorHost) => {
    expect(() => createPubsubClient({ projectId: 'p', emulatorHost })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});
