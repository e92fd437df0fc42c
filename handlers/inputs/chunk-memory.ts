/**
 * What was read of an input, kept for the tasks that follow: the next run of the same version of a master finds its index here instead of
 * upstream. Bounded over all inputs together; what was used longest ago goes first.
 */

/** Of 128 KiB each: the indexes of a dozen masters of two hours. */
const MAX_KEPT_CHUNKS = 256;

/** The bytes of a chunk, in order: as they came over the network, because putting them together takes a second copy. */
export type Chunk = readonly Buffer[];

/** Of one version of one input. */
export interface ChunkMemory {
  get(index: number): Chunk | undefined;
  keep(index: number, chunk: Chunk): void;
}

export interface InputMemory {
  /** `identity` names the input and its version. */
  chunksOf(identity: string): ChunkMemory;
}

export function createInputMemory(maxChunks: number = MAX_KEPT_CHUNKS): InputMemory {
  /** In the order of their last use. */
  const chunks = new Map<string, Chunk>();
  const touch = (key: string, chunk: Chunk) => {
    chunks.delete(key);
    chunks.set(key, chunk);
  };
  return {
    chunksOf(identity) {
      const keyOf = (index: number) => `${index} ${identity}`;
      return {
        get(index) {
          const chunk = chunks.get(keyOf(index));
          if (chunk !== undefined) touch(keyOf(index), chunk);
          return chunk;
        },
        keep(index, chunk) {
          touch(keyOf(index), chunk);
          for (const oldest of chunks.keys()) {
            if (chunks.size <= maxChunks) break;
            chunks.delete(oldest);
          }
        },
      };
    },
  };
}
