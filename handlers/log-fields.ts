/** Which work a log line is about. Bound to a task's logger, so that every line of it can be found by job, stage, item and attempt. */
import type { RunContext } from '../manifests/run-context.ts';
import { envelopeOf, runContextsOf } from './parse-task.ts';

export interface LogFields {
  readonly task: string;
  readonly job?: string;
  readonly stage?: string;
  readonly item?: string;
  readonly attempt?: number;
  /** Of a batch, `0,1,2`, in the place of `item` and `attempt`: lines about one of them name it themselves. */
  readonly items?: string;
}

/** Of RunPod's `input`, as far as it can be read: a payload of the original template names its task only. */
export function logFieldsOf(input: unknown): LogFields {
  const { task, parameters } = envelopeOf(input);
  return { task, ...itemFields(runContextsOf(parameters)) };
}

function itemFields(contexts: readonly RunContext[]): Omit<LogFields, 'task'> {
  const [first] = contexts;
  if (first === undefined) return {};
  const { job, stage, item, attempt } = first;
  return contexts.length === 1 ? { job, stage, item, attempt } : { job, stage, items: contexts.map((one) => one.item).join(',') };
}
