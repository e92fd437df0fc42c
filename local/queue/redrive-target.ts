/** Whether a queue may have the dead-letter queue that its policy names. */
import { invalidParameter } from './faults.ts';
import { nameFromArn, queueArn } from './queue-name.ts';
import { mayUseAsDeadLetterQueue, parseRedrivePolicy } from './redrive.ts';
import type { Service } from './service.ts';

/** `policyText` as asked for: undefined or '' names none. Throws InvalidParameterValue. */
export function checkRedriveTarget(service: Service, sourceName: string, policyText: string | undefined): void {
  if (policyText === undefined || policyText === '') return;
  const name = nameFromArn(service.address, parseRedrivePolicy(policyText).deadLetterTargetArn);
  const target = name === undefined ? undefined : service.queues.byName(name);
  const refuse = (reason: string) => invalidParameter('RedrivePolicy', policyText, reason);
  if (target === undefined) throw refuse('Dead letter target does not exist.');
  // It would hand its own messages back to itself for ever.
  if (target.name === sourceName) throw refuse('A queue cannot be its own dead-letter queue.');
  if (!mayUseAsDeadLetterQueue(target.settings.redriveAllow, queueArn(service.address, sourceName))) {
    throw refuse("The dead-letter queue's RedriveAllowPolicy does not allow this source queue.");
  }
}
