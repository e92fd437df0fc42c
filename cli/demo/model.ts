/** What makes the clips, since the pipeline does not: stands in for a talking-head model on some other endpoint. */
import { once } from 'node:events';
import { mapInPool } from '../../handlers/pool.ts';
import type { Segment } from '../../manifests/segments.ts';
import type { Plan } from '../../pipeline/plan-types.ts';

const CLIPS_AT_A_TIME = 2;

export interface ModelOptions {
  readonly segments: readonly Segment[];
  readonly makeClip: (segment: Segment, index: number) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Model {
  /** Tells it which segments have been cut. */
  look(plan: Plan): void;
  /** Resolves once there is a clip for every segment; rejects where making one failed, or the signal was aborted. */
  readonly finished: Promise<unknown>;
}

/** Starts on a segment as soon as it has been cut, as a model that listens to the bucket would. */
export function startModel({ segments, makeClip, signal }: ModelOptions): Model {
  const cut = segments.map(() => Promise.withResolvers<void>());
  const stopped = once(signal, 'abort').then(() => Promise.reject(signal.reason));
  // Awaited below, but not before the first segment is.
  stopped.catch(() => undefined);
  return {
    look(plan) {
      const items = plan.stages.find(({ name }) => name === 'segmentation')?.items ?? [];
      for (const { item, phase } of items) if (phase === 'done') cut[Number(item)]?.resolve();
    },
    finished: mapInPool(segments, CLIPS_AT_A_TIME, async (segment, index) => {
      signal.throwIfAborted();
      await Promise.race([cut[index]?.promise, stopped]);
      await makeClip(segment, index);
    }),
  };
}
