/** What a job of one kind must come to, worked out from what its owner wrote: knows nothing of fingerprints, claims and plans. */

/** A job's folder as it lies there; keys are relative to it. */
export interface Folder {
  readonly job: string;
  text(key: string): string | undefined;
  /** Keys that begin with a text, in order. */
  keys(prefix: string): readonly string[];
}

export interface WantedInput {
  /** As a worker names it: its parameter, and its place where it is a list. */
  readonly name: string;
  readonly key: string;
}

export interface WantedItem {
  /** The output's key. */
  readonly key: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** `null` where one of them cannot be named yet: the item waits. */
  readonly inputs: readonly WantedInput[] | null;
  /** A key that must be settled first although no worker reads it. */
  readonly after?: string;
}

export interface WantedStage {
  readonly name: string;
  readonly task: string;
  /** False for another program's, whose outputs carry no mark and may be mistaken for each other. */
  readonly isOurs: boolean;
  readonly items: readonly WantedItem[];
}

export interface JobShape {
  /** In dependency order; stages that are off, or whose manifest is wrong, are left out. */
  wanted(folder: Folder): readonly WantedStage[];
  /** Manifests that nobody can read: each must have a problem object. */
  unreadable(folder: Folder): readonly string[];
}

export function parsed<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** The one key that begins so; `null` where there is none, or several. */
export function onlyKey(folder: Folder, prefix: string): string | null {
  const [key, other] = folder.keys(prefix);
  return key === undefined || other !== undefined ? null : key;
}
