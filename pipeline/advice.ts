/** What to do about an item, by its phase. */
import type { PlannedItem } from './plan-types.ts';

/** One sentence: what to do about it. */
export function adviceFor({ phase, stage, item }: Pick<PlannedItem, 'phase' | 'stage' | 'item'>, job: string): string {
  switch (phase) {
    case 'done':
      return 'Nothing is to be done.';
    case 'running':
      return 'Its run has not ended. If it waits for long, look at the endpoint: the consumer logs its health once the patience of the stage is over.';
    case 'dispatch':
      return `It is about to be dispatched: at the next look, as far as there are slots. If nothing happens, no consumer is running, or its event was lost: millrace reconcile ${job}`;
    case 'held':
      return `RunPod refused or did not answer, so the whole job waits and goes on by itself: millrace explain ${job} says when.`;
    case 'retrying':
      return `It is tried again by itself. At once: millrace retry ${job} --stage ${stage} --item ${item}`;
    case 'failed':
      return `Mend what the error names, then: millrace retry ${job} --stage ${stage} --item ${item} (a changed input or manifest does it by itself).`;
    case 'removed':
      return `It was made, and somebody or a lifecycle rule has deleted it. To make it again: millrace retry ${job} --stage ${stage} --item ${item}`;
    case 'cancelled':
      return `The job is cancelled. To go on: millrace resume ${job}`;
    case 'waiting':
      return 'Write what it waits for, or look at what should make that.';
    case 'external':
      return 'Another program has to write its output.';
    case 'unknown':
      return `Look again: millrace explain ${job} ${stage}/${item}`;
  }
}
