/**
 * Masters that had to be made seekable (copied or decoded), kept for the tasks that follow: the next segment of the same master then reads only what it
 * needs. Bounded by size; what was used longest ago goes first, and nothing goes while it is read.
 */
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { PcmLayout } from './audio-pcm.ts';
import { stopReason } from './ffmpeg/run.ts';
import { OWNER_TAG } from './leftovers.ts';

/** Enough for some fifteen masters of two hours that were copied, or for one of three hours that was decoded. */
export const MASTER_CACHE_BYTES = 2 * 1024 ** 3;

/** What a cut must know of a file beside its name. */
export interface SeekableFacts {
  readonly sampleRate: number;
  readonly channels: number;
  readonly durationSeconds: number | undefined;
  /** Where its samples are those of the output already. */
  readonly pcm: PcmLayout | undefined;
}

export interface MadeMaster {
  /** In the maker's own workspace; taken over where there is room for it. */
  readonly file: string;
  readonly facts: SeekableFacts;
}

export interface HeldMaster extends MadeMaster {
  /** Made by an earlier or another task. */
  readonly reused: boolean;
  /** The file may be gone afterwards. */
  release(): Promise<void>;
}

export interface MasterCache {
  /** Of all files together. What is larger is never kept. */
  readonly maxBytes: number;
  /** The master of `identity` if somebody has made it, or is about to. Throws why `signal` was aborted. */
  find(identity: string | undefined, signal: AbortSignal): Promise<HeldMaster | undefined>;
  /**
   * The master of `key`, made by `make` if nobody has. Tasks that want the same one at the same time wait for the first of them;
   * where that one fails, or what it made is too large to keep, the next makes its own. Throws what `make` throws, or why `signal`
   * was aborted.
   */
  hold(key: MasterKey, signal: AbortSignal, make: () => Promise<MadeMaster>): Promise<HeldMaster>;
  close(): Promise<void>;
}

export interface MasterKey {
  /** Names the input and its version; `undefined` where that is not known: then nothing is kept. */
  readonly identity: string | undefined;
  /** About as large as what is made. */
  readonly sizeBytes: number;
}

interface Entry {
  users: number;
  /** `undefined` once its maker has failed, or could not leave it here. */
  readonly made: Promise<Kept | undefined>;
  kept: Kept | undefined;
}

interface Kept extends MadeMaster {
  readonly sizeBytes: number;
}

export interface MasterCacheOptions {
  readonly workDir: string;
  /** Of all files together. 0 keeps nothing. */
  readonly maxBytes: number;
}

export function createMasterCache({ workDir, maxBytes }: MasterCacheOptions): MasterCache {
  /** In the order of their last use. */
  const entries = new Map<string, Entry>();
  let keptBytes = 0;
  let files = 0;
  let directory: Promise<string> | undefined;

  const makeDirectory = async () => {
    await mkdir(workDir, { recursive: true });
    return mkdtemp(join(workDir, `masters-${OWNER_TAG}-`));
  };

  /** True where there is room, if need be after dropping what nobody reads. The room is taken at once. */
  async function reserve(bytes: number): Promise<boolean> {
    const idle = [...entries].filter(([, entry]) => entry.users === 0 && entry.kept !== undefined);
    const idleBytes = idle.reduce((sum, [, { kept }]) => sum + (kept?.sizeBytes ?? 0), 0);
    if (keptBytes - idleBytes + bytes > maxBytes) return false;
    const dropped: string[] = [];
    for (const [key, { kept }] of idle) {
      if (keptBytes + bytes <= maxBytes) break;
      entries.delete(key);
      keptBytes -= kept?.sizeBytes ?? 0;
      if (kept !== undefined) dropped.push(kept.file);
    }
    keptBytes += bytes;
    await Promise.all(dropped.map((file) => rm(file, { force: true })));
    return true;
  }

  async function keep({ file, facts }: MadeMaster): Promise<Kept | undefined> {
    const { size: sizeBytes } = await stat(file);
    if (!(await reserve(sizeBytes))) return undefined;
    try {
      directory ??= makeDirectory();
      const kept = join(await directory, `${files++}${extname(file)}`);
      await rename(file, kept);
      return { file: kept, facts, sizeBytes };
    } catch (thrown) {
      keptBytes -= sizeBytes;
      throw thrown;
    }
  }

  function held(entry: Entry, kept: Kept, reused: boolean): HeldMaster {
    let released = false;
    const release = async () => {
      if (!released) entry.users--;
      released = true;
    };
    return { file: kept.file, facts: kept.facts, reused, release };
  }

  async function makeShared(key: string, make: () => Promise<MadeMaster>): Promise<HeldMaster> {
    const { promise, resolve } = Promise.withResolvers<Kept | undefined>();
    const entry: Entry = { users: 1, made: promise, kept: undefined };
    entries.set(key, entry);
    try {
      const made = await make();
      entry.kept = await keep(made);
      if (entry.kept !== undefined) return held(entry, entry.kept, false);
      return ownedBy(made);
    } finally {
      if (entry.kept === undefined) entries.delete(key);
      resolve(entry.kept);
    }
  }

  async function waitFor(key: string, entry: Entry, signal: AbortSignal): Promise<HeldMaster | undefined> {
    // Counted before anything is awaited: it must not be dropped meanwhile.
    entry.users++;
    try {
      const kept = await unlessAborted(entry.made, signal);
      if (kept !== undefined && (await isThere(kept.file))) {
        entries.delete(key);
        entries.set(key, entry);
        return held(entry, kept, true);
      }
      // Somebody tidied the disk.
      if (kept !== undefined && entries.get(key) === entry) {
        entries.delete(key);
        keptBytes -= kept.sizeBytes;
      }
    } catch (thrown) {
      entry.users--;
      throw thrown;
    }
    entry.users--;
    return undefined;
  }

  return {
    maxBytes,
    async find(identity, signal) {
      const entry = identity === undefined ? undefined : entries.get(identity);
      return identity === undefined || entry === undefined ? undefined : waitFor(identity, entry, signal);
    },
    async hold({ identity, sizeBytes }, signal, make) {
      if (identity === undefined || sizeBytes > maxBytes) return ownedBy(await make());
      for (;;) {
        // Ends: whoever waited in vain finds the entry of the next maker, or none and makes its own.
        const entry = entries.get(identity);
        if (entry === undefined) return makeShared(identity, make);
        const master = await waitFor(identity, entry, signal);
        if (master !== undefined) return master;
      }
    },
    async close() {
      entries.clear();
      keptBytes = 0;
      if (directory !== undefined) await rm(await directory, { recursive: true, force: true });
    },
  };
}

function ownedBy(made: MadeMaster): HeldMaster {
  return { ...made, reused: false, release: () => rm(made.file, { force: true }) };
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw stopReason(signal);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(stopReason(signal));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
