/** When a message goes to a dead-letter queue, and which queues may use a queue as theirs. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { invalidParameter } from './faults.ts';
import { MAX_RECEIVE_COUNT, MAX_REDRIVE_ALLOW_SOURCES } from './limits.ts';

/** Infrastructure tools write the number as text. */
const Count = z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)]);

const RedrivePolicyDocument = z.strictObject({ deadLetterTargetArn: z.string(), maxReceiveCount: Count });
export type RedrivePolicy = z.infer<typeof RedrivePolicyDocument>;

const RedriveAllowPolicyDocument = z
  .strictObject({
    redrivePermission: z.enum(['allowAll', 'denyAll', 'byQueue']),
    sourceQueueArns: z.array(z.string()).min(1).max(MAX_REDRIVE_ALLOW_SOURCES).optional(),
  })
  .refine((policy) => (policy.redrivePermission === 'byQueue') === (policy.sourceQueueArns !== undefined));
export type RedriveAllowPolicy = z.infer<typeof RedriveAllowPolicyDocument>;

/** Throws InvalidParameterValue. */
export function parseRedrivePolicy(text: string): RedrivePolicy {
  const policy = RedrivePolicyDocument.safeParse(jsonOf(text)).data;
  if (policy === undefined) {
    throw invalidParameter('RedrivePolicy', text, 'Must be {"deadLetterTargetArn": <ARN>, "maxReceiveCount": <number>}.');
  }
  if (policy.maxReceiveCount < 1 || policy.maxReceiveCount > MAX_RECEIVE_COUNT) {
    const reason = `Invalid value for maxReceiveCount: ${policy.maxReceiveCount}, valid values are from 1 to ${MAX_RECEIVE_COUNT} both inclusive.`;
    throw invalidParameter('RedrivePolicy', text, reason);
  }
  return policy;
}

/** Throws InvalidParameterValue. */
export function parseRedriveAllowPolicy(text: string): RedriveAllowPolicy {
  const policy = RedriveAllowPolicyDocument.safeParse(jsonOf(text)).data;
  if (policy === undefined) {
    const reason = `redrivePermission must be allowAll, denyAll or byQueue, the last with 1 to ${MAX_REDRIVE_ALLOW_SOURCES} sourceQueueArns.`;
    throw invalidParameter('RedriveAllowPolicy', text, reason);
  }
  return policy;
}

/** True once a message was received as often as its queue allows: the next receive moves it instead. */
export function isExhausted(receivesFromThisQueue: number, policy: RedrivePolicy | undefined): boolean {
  return policy !== undefined && receivesFromThisQueue >= policy.maxReceiveCount;
}

export function mayUseAsDeadLetterQueue(allow: RedriveAllowPolicy | undefined, sourceArn: string): boolean {
  if (allow === undefined || allow.redrivePermission === 'allowAll') return true;
  return allow.redrivePermission === 'byQueue' && allow.sourceQueueArns?.includes(sourceArn) === true;
}

/** Whether two policies say the same, however they are written. */
export function samePolicy(a: string, b: string): boolean {
  return a === b || (a !== '' && b !== '' && isDeepStrictEqual(jsonOf(a), jsonOf(b)));
}

/** Undefined for what is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
