/** Whether the bucket tells the queue what happens to jobs: the question of every pipeline that does nothing. */
import type { Check } from './check.ts';
import { queueOf } from './examination.ts';
import { skipped, wrong } from './finding.ts';

export const notification: Check = {
  name: 'notification',
  needs: ['bucket', 'queue'],
  fix: 'Look at the notifications of the bucket in its cloud: all that is created and removed under the pipelines prefix, with its slash.',
  async run(examination, signal) {
    const address = queueOf(examination);
    const { scheme } = examination.store;
    switch (address?.kind) {
      case undefined:
        return [skipped('MILLRACE_QUEUE_URL is not set')];
      case 'sqs': {
        if (scheme === 'gs')
          return [
            wrong(
              'the bucket is one of Google, and tells no queue of SQS',
              'Set MILLRACE_QUEUE_URL to a subscription of Pub/Sub: projects/<project>/subscriptions/<name>.',
            ),
          ];
        const { s3Notification } = await import('./s3-notification.ts');
        return s3Notification(examination, address.url, signal);
      }
      case 'cloudflare': {
        if (scheme === 'gs')
          return [
            wrong(
              'the bucket is one of Google, and tells no queue of Cloudflare',
              'Set MILLRACE_QUEUE_URL to a subscription of Pub/Sub: projects/<project>/subscriptions/<name>.',
            ),
          ];
        const { r2Notification } = await import('./r2-notification.ts');
        return r2Notification(examination, address.url, signal);
      }
      case 'pubsub': {
        if (scheme !== 'gs')
          return [
            skipped(
              'how a bucket that is not gs:// tells Pub/Sub cannot be followed from here',
              'For a bucket of Google: VIDEOS_BUCKET=gs://<bucket>.',
            ),
          ];
        const { gcsNotification } = await import('./gcs-notification.ts');
        return gcsNotification(examination, address, signal);
      }
    }
  },
};
