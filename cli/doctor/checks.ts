/** All checks, in the order in which they are read: what others rest on comes first. */
import { bucket, conditionalCreation } from './bucket.ts';
import type { Check } from './check.ts';
import { clock } from './clock.ts';
import { environment } from './environment.ts';
import { ffmpeg, gpu, workFolder } from './media-tools.ts';
import { notification } from './notification.ts';
import { presignedRoundTrip, presigningSession } from './presigning.ts';
import { deadLetters, queue } from './queue.ts';
import { runpod } from './runpod.ts';
import { webhooks } from './webhooks.ts';

const OF_A_WORKER: readonly Check[] = [environment, ffmpeg, gpu, workFolder];

const OF_A_DEPLOYMENT: readonly Check[] = [
  ...[environment, clock, bucket, conditionalCreation, presigningSession, presignedRoundTrip],
  ...[queue, deadLetters, notification, runpod, webhooks],
  ...[ffmpeg, gpu, workFolder],
];

export const checksOf = (place: 'deployment' | 'dev' | 'worker'): readonly Check[] =>
  place === 'worker' ? OF_A_WORKER : OF_A_DEPLOYMENT;
