import { SQSClient } from '@aws-sdk/client-sqs';

export const REGION = 'us-east-1';
export const CREDENTIALS = { accessKeyId: 'test-key', secretAccessKey: 'test-secret' };

/** One try each: what a retry would hide is what these tests look for. */
export function clientOf(endpoint: string): SQSClient {
  return new SQSClient({ endpoint, region: REGION, credentials: CREDENTIALS, maxAttempts: 1 });
}

export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the answer lacks a field that it must have');
  return value;
}
