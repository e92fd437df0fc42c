/** Which stage writes which key, and how far it is: kept stage by stage, and found by key only where somebody asks. */
import { type GraphStage, mayMeet, patternEnds } from './graph.ts';

/** What is known of a key that a stage writes. */
export interface Producer {
  readonly stage: string;
  readonly done: boolean;
  /** Its output's version for whoever reads it: the producer's fingerprint, or `null` where a person made it. */
  readonly fingerprint: string | null;
}

/** The items of one stage, by index. Of an item that has not been told of nothing is known. */
export interface StageProducers {
  /** Its output is still to be made, or to be made anew. */
  waits(index: number): void;
  /** `fingerprint`: see `Producer`. */
  isPlanned(index: number, done: boolean, fingerprint: string | null): void;
}

export interface Producers {
  /** `outputs`: the key of every item. */
  begin(stage: Pick<GraphStage, 'name' | 'output'>, outputs: readonly string[]): StageProducers;
  get(key: string): Producer | undefined;
  at(stage: string, index: number): Producer | undefined;
  /** The first whose key is one that is asked for. */
  find(isAsked: (key: string) => boolean): readonly [key: string, producer: Producer] | undefined;
  /** True where some stage's output may be a key of this pattern. */
  mayWrite(pattern: string): boolean;
}

const UNKNOWN = 0;
const OPEN = 1;
const DONE = 2;

interface Recorded {
  readonly stage: string;
  readonly output: string;
  readonly outputs: readonly string[];
  readonly states: Uint8Array;
  readonly fingerprints: (string | null)[];
  /** What every key begins and ends with. */
  readonly ends: readonly [begin: string, end: string];
  indexes: ReadonlyMap<string, number> | undefined;
}

export function createProducers(): Producers {
  const stages = new Map<string, Recorded>();

  function producerAt({ stage, states, fingerprints }: Recorded, index: number): Producer | undefined {
    const state = states[index] ?? UNKNOWN;
    return state === UNKNOWN ? undefined : { stage, done: state === DONE, fingerprint: fingerprints[index] ?? null };
  }

  return {
    begin({ name, output }, outputs) {
      const states = new Uint8Array(outputs.length);
      const fingerprints: (string | null)[] = [];
      stages.set(name, {
        ...{ stage: name, output, outputs, states, fingerprints },
        ...{ ends: patternEnds(output), indexes: undefined },
      });
      const set = (index: number, state: number, fingerprint: string | null) => {
        states[index] = state;
        fingerprints[index] = fingerprint;
      };
      return {
        waits: (index) => set(index, OPEN, null),
        isPlanned: (index, done, fingerprint) => set(index, done ? DONE : OPEN, fingerprint),
      };
    },
    get(key) {
      for (const recorded of stages.values()) {
        const [begin, end] = recorded.ends;
        if (!key.startsWith(begin) || !key.endsWith(end)) continue;
        recorded.indexes ??= new Map(recorded.outputs.map((output, index) => [output, index]));
        const index = recorded.indexes.get(key);
        const producer = index === undefined ? undefined : producerAt(recorded, index);
        if (producer !== undefined) return producer;
      }
      return undefined;
    },
    at(stage, index) {
      const recorded = stages.get(stage);
      return recorded === undefined ? undefined : producerAt(recorded, index);
    },
    find(isAsked) {
      for (const recorded of stages.values()) {
        for (const [index, key] of recorded.outputs.entries()) {
          if (!isAsked(key)) continue;
          const producer = producerAt(recorded, index);
          if (producer !== undefined) return [key, producer];
        }
      }
      return undefined;
    },
    mayWrite: (pattern) => stages.values().some(({ output }) => mayMeet(output, pattern)),
  };
}
