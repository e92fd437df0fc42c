/** The operations on buckets themselves, and on their notifications. */
import { randomUUID } from 'node:crypto';
import { receiveText } from './body.ts';
import { OWNER_ID, parseNotifications, testMessage, writeNotifications } from './notifications.ts';
import type { ObjectCall } from './operation.ts';
import { document, isoDate, type S3Response } from './response.ts';
import { S3Error } from './s3-error.ts';

/** S3's rules for new buckets; the state folder's name, with its dot, is none of these. */
const BUCKET_NAME = /^(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;

export function assertBucketName(name: string): void {
  if (!BUCKET_NAME.test(name)) throw new S3Error('InvalidBucketName', undefined, { BucketName: name });
}

export async function listBuckets({ state }: ObjectCall): Promise<S3Response> {
  return document('ListAllMyBucketsResult', {
    Owner: { ID: OWNER_ID, DisplayName: 'millrace' },
    Buckets: { Bucket: state.objects.buckets().map(({ name, createdMs }) => ({ Name: name, CreationDate: isoDate(createdMs) })) },
  });
}

export async function createBucket({ state, bucket }: ObjectCall): Promise<S3Response> {
  assertBucketName(bucket);
  if (!state.objects.createBucket(bucket)) throw new S3Error('BucketAlreadyOwnedByYou', undefined, { BucketName: bucket });
  return { status: 200, headers: { location: `/${bucket}`, 'content-length': '0' } };
}

export async function headBucket({ state, bucket }: ObjectCall): Promise<S3Response> {
  state.objects.assertBucket(bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': state.region, 'x-amz-access-point-alias': 'false' } };
}

export async function deleteBucket({ state, bucket }: ObjectCall): Promise<S3Response> {
  state.objects.deleteBucket(bucket);
  return { status: 204, headers: {} };
}

export async function getBucketLocation({ state, bucket }: ObjectCall): Promise<S3Response> {
  state.objects.assertBucket(bucket);
  // The first region has no name in this answer.
  return document('LocationConstraint', state.region === 'us-east-1' ? '' : state.region);
}

export async function getNotifications({ state, bucket }: ObjectCall): Promise<S3Response> {
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: writeNotifications(state.objects.notifications(bucket)),
  };
}

/** As S3 does: each queue is sent a test event first, and a queue that does not take it refuses the whole configuration. */
export async function putNotifications({ state, request, authentication, bucket, origin, log }: ObjectCall): Promise<S3Response> {
  state.objects.assertBucket(bucket);
  const notifications = parseNotifications(await receiveText(request, authentication), randomUUID);
  if (request.headers.get('x-amz-skip-destination-validation')?.toLowerCase() !== 'true') {
    for (const queueArn of new Set(notifications.map((notification) => notification.queueArn))) {
      try {
        await state.outbox.deliverNow(queueArn, testMessage(bucket, state.now(), origin.requestId));
      } catch (error) {
        log.warn({ bucket, queueArn, error }, 'a queue did not take the test event of a bucket notification');
        throw new S3Error('InvalidArgument', 'Unable to validate the following destination configurations', {
          ArgumentName: queueArn,
          ArgumentValue: 'The queue did not take the test event.',
        });
      }
    }
  }
  state.objects.setNotifications(bucket, notifications);
  return { status: 200, headers: { 'content-length': '0' } };
}
