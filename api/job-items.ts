/** A page of a job's items: those that were asked for, behind the last one of the page before. Pure. */
import type { z } from 'zod';
import { fieldError } from '../manifests/field-errors.ts';
import type { Plan, PlannedItem } from '../pipeline/plan-types.ts';
import { DEFAULT_ITEMS, type JobQuery } from './documents/job.ts';
import { RequestError } from './problem.ts';

export interface ItemPage {
  readonly items: readonly PlannedItem[];
  /** Behind which the next page begins; null at the end. */
  readonly after: string | null;
}

export function itemPage({ stages }: Plan, query: z.infer<typeof JobQuery>): ItemPage {
  const { stage: wanted, phase, limit = DEFAULT_ITEMS, after } = query;
  const phases = phase === undefined || phase.length === 0 ? undefined : new Set<string>(phase);
  if (wanted !== undefined && !stages.some(({ name }) => name === wanted)) {
    const known = stages.map(({ name }) => name).join(', ') || 'none';
    const error = fieldError('stage', `a stage of this job (${known})`, JSON.stringify(wanted));
    throw new RequestError('REQUEST_INVALID', error.text, { errors: [error] });
  }
  const from = after === undefined ? undefined : positionOf(stages, after);
  const found: PlannedItem[] = [];
  for (const [at, stage] of stages.entries()) {
    if (wanted !== undefined && stage.name !== wanted) continue;
    if (from !== undefined && at < from.stage) continue;
    const first = from !== undefined && at === from.stage ? from.item + 1 : 0;
    for (let index = first; index < stage.items.length; index += 1) {
      const item = stage.items[index];
      if (item === undefined || phases?.has(item.phase) === false) continue;
      const last = found.at(-1);
      // One more than fits says that there is another page.
      if (found.length === limit) return { items: found, after: last === undefined ? null : `${last.stage}/${last.item}` };
      found.push(item);
    }
  }
  return { items: found, after: null };
}

function positionOf(stages: Plan['stages'], after: string): { readonly stage: number; readonly item: number } {
  const [name = '', item] = after.split('/');
  const stage = stages.findIndex((each) => each.name === name);
  if (stage >= 0) return { stage, item: Number(item) };
  const error = fieldError('after', 'the last item of a page of this job', JSON.stringify(after));
  throw new RequestError('REQUEST_INVALID', error.text, { errors: [error] });
}
