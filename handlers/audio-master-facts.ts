/** What probing has told of masters, kept for the runs that follow: a version of an input does not change. */
import type { SeekableFacts } from './audio-master-cache.ts';
import type { CutPreparation } from './ffmpeg/arguments/audio-cut.ts';

const MAX_KNOWN_MASTERS = 1000;

export interface KnownMaster extends SeekableFacts {
  readonly streamIndex: number;
  /** How much later than its file the sound begins. */
  readonly delaySeconds: number;
  readonly preparation: CutPreparation;
}

/** `identity` names the input and its version; nothing is known of, or kept for, `undefined`. */
export interface MasterFacts {
  find(identity: string | undefined): KnownMaster | undefined;
  keep(identity: string | undefined, master: KnownMaster): void;
}

export function createMasterFacts(maxMasters: number = MAX_KNOWN_MASTERS): MasterFacts {
  /** In the order of their last use. */
  const known = new Map<string, KnownMaster>();
  return {
    find: (identity) => (identity === undefined ? undefined : known.get(identity)),
    keep(identity, master) {
      if (identity === undefined) return;
      known.delete(identity);
      known.set(identity, master);
      if (known.size <= maxMasters) return;
      const [oldest] = known.keys();
      if (oldest !== undefined) known.delete(oldest);
    },
  };
}
