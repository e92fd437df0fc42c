/** How long a video in chunks takes on any number of workers, worked out from what its parts took. Pure. */

export interface ChunkCosts {
  /** From the first run's start until the list of chunks is there, in milliseconds. */
  readonly listMs: number;
  /** Until that run has ended, with the sound. */
  readonly splitMs: number;
  /** Of each chunk, in their order. */
  readonly chunksMs: readonly number[];
  readonly joinMs: number;
}

/**
 * From the first run's start to the join's end. Chunks are taken in their order by whoever is free; the worker that splits makes the
 * sound first. `hopMs`: from the end of what a run waits for until a worker begins it.
 */
export function wallMsOn(workers: number, { listMs, splitMs, chunksMs, joinMs }: ChunkCosts, hopMs: number): number {
  const freeAtMs = Array.from({ length: workers }, (_, index) => (index === 0 ? splitMs : listMs) + hopMs);
  let lastMs = splitMs;
  for (const chunkMs of chunksMs) {
    const next = freeAtMs.indexOf(Math.min(...freeAtMs));
    const endMs = (freeAtMs[next] ?? 0) + chunkMs;
    freeAtMs[next] = endMs;
    lastMs = Math.max(lastMs, endMs);
  }
  return lastMs + hopMs + joinMs;
}
