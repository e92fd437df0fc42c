/**
 * The least that a consumer can do: sqs-consumer receives, the notification is parsed, and a request goes out for each object that it
 * names. No store, no plan, no claim.
 */
import { SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';
import { readConfig, requireVariables } from '../config.ts';
import { parseNotification } from '../consumers/notifications/notification.ts';

const config = readConfig(process.env);
requireVariables(config, ['MILLRACE_QUEUE_URL', 'RUNPOD_ENDPOINT', 'HMAC_KEY', 'HMAC_SECRET']);
const { MILLRACE_QUEUE_URL: queueUrl = '', RUNPOD_ENDPOINT: endpoint = '', HMAC_KEY = '', HMAC_SECRET = '' } = config;
const sqs = new SQSClient({
  endpoint: new URL(queueUrl).origin,
  region: config.S3_REGION,
  credentials: { accessKeyId: HMAC_KEY, secretAccessKey: HMAC_SECRET },
});
const consumer = Consumer.create({
  ...{ sqs, queueUrl, batchSize: 10, waitTimeSeconds: 1, visibilityTimeout: 60 },
  async handleMessageBatch(messages) {
    const keys = messages.flatMap(({ Body = '' }) => {
      const parsed = parseNotification({ body: Body, attributes: {} });
      return parsed.kind === 'events' ? parsed.events.map(({ key }) => key) : [];
    });
    await Promise.all(
      keys
        .filter((key) => key.endsWith('segments.json'))
        .map((key) => fetch(`${endpoint}/run`, { method: 'POST', body: JSON.stringify({ job: key.split('/')[1] }) })),
    );
    return messages;
  },
});
consumer.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
});
consumer.start();
