/** Dead letters counted by reason, job and stage, one after the other: the letters themselves are not kept. */
import type { DeadLetter } from './dead-letter.ts';

export interface LetterGroup {
  readonly code: string;
  /** Of the first letter of the group. */
  readonly reason: string;
  /** Null where the letters name none; `several` where each names more than one. */
  readonly job: string | null;
  readonly stage: string | null;
  readonly letters: number;
  /** Of those, how many have been sent again too often to be sent once more. */
  readonly quarantined: number;
  /** Milliseconds since 1970. */
  readonly oldestMs: number | undefined;
  /** The id of the first. */
  readonly example: string;
}

export interface LetterGroups {
  add(letter: DeadLetter, isQuarantined: boolean): void;
  /** The largest first. */
  list(): LetterGroup[];
}

export const SEVERAL = 'several';

export function createGroups(): LetterGroups {
  const groups = new Map<string, LetterGroup>();
  return {
    add(letter, isQuarantined) {
      const { code, reason, jobs, stages, id, atMs } = letter;
      const [job, stage] = [oneOf(jobs), oneOf(stages)];
      const name = JSON.stringify([code, job, stage]);
      const known = groups.get(name) ?? { code, reason, job, stage, letters: 0, quarantined: 0, oldestMs: atMs, example: id };
      groups.set(name, {
        ...known,
        letters: known.letters + 1,
        quarantined: known.quarantined + (isQuarantined ? 1 : 0),
        oldestMs: atMs === undefined ? known.oldestMs : Math.min(atMs, known.oldestMs ?? atMs),
      });
    },
    list: () => [...groups.values()].sort((a, b) => b.letters - a.letters),
  };
}

function oneOf(names: readonly string[]): string | null {
  return names.length > 1 ? SEVERAL : (names[0] ?? null);
}
