/** What jobs cost, for whoever asks: each result is read once while this program runs. */
import type { JobCost } from '../pipeline/cost.ts';
import { DEFAULT_MAX_RESULTS, type ResultMemory, readJobCost } from '../pipeline/job-cost.ts';
import type { PlannedJob } from '../pipeline/job-plan.ts';
import type { ApiParts } from './parts.ts';

export interface JobCosts {
  /**
   * `wanted`: true reads all results, false none, undefined as many as nobody minds. Null where they were not wanted, or are more than
   * that. Throws where the bucket cannot be read.
   */
  of(planned: PlannedJob, wanted: boolean | undefined, signal: AbortSignal): Promise<JobCost | null>;
}

export function createJobCosts({ planner: { store, layout }, prices }: Pick<ApiParts, 'planner' | 'prices'>): JobCosts {
  const memory: ResultMemory = new Map();
  return {
    async of(planned, wanted, signal) {
      if (wanted === false) return null;
      const maxReads = wanted === true ? Number.POSITIVE_INFINITY : DEFAULT_MAX_RESULTS;
      return readJobCost({ store, layout, prices, memory }, planned, { maxReads, signal });
    },
  };
}
