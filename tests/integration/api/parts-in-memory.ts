/** What the API is given, on a bucket in memory: for what is about requests, and not about a bucket. */
import type { ApiParts } from '../../../api/parts.ts';
import { silentLogger } from '../../../log.ts';
import { createFactStore } from '../../../pipeline/facts.ts';
import { createLayout } from '../../../pipeline/layout.ts';
import { createGuardedFetch } from '../../../storage/guarded-fetch.ts';
import { createMemoryBucket } from '../../simulation/memory-bucket.ts';
import { builtInGraph, SETTINGS } from '../../unit/pipeline/job-builder.ts';

export function partsInMemory(): ApiParts {
  const store = createMemoryBucket({ now: Date.now }).open(async (_, act) => act());
  const layout = createLayout();
  let ids = 0;
  return {
    planner: { store, layout, graph: builtInGraph, facts: createFactStore({ store, layout }), settings: SETTINGS, now: Date.now },
    hasCredentials: true,
    storeFor: () => store,
    publicAddress: undefined,
    fetch: createGuardedFetch({ allowHosts: [] }),
    reconcile: undefined,
    runpod: undefined,
    prices: {},
    trace: undefined,
    deadLetters: undefined,
    randomId: () => String(++ids),
    now: Date.now,
    log: silentLogger,
  };
}
