/** How many calls of `/run` the jobs took: fewer than items, because one run may carry several. */
import { text } from 'node:stream/consumers';
import { parseDocument } from '../../manifests/parse.ts';
import { Run } from '../../manifests/state.ts';
import type { JobPlanner } from '../../pipeline/job-plan.ts';

export async function countRuns(
  { store, layout }: Pick<JobPlanner, 'store' | 'layout'>,
  jobs: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const runIds = new Set<string>();
  for (const job of jobs) {
    for await (const page of store.list(layout.statePrefixOf('runs', job), { signal })) {
      for (const { key } of page) {
        const object = await store.get(key, { signal });
        const run = object === null ? undefined : parseDocument(Run, await text(object.body));
        if (run?.ok === true) runIds.add(run.value.run_id);
      }
    }
  }
  return runIds.size;
}
