/** A private folder for one task. What a task writes to disk is there and nowhere else, and goes when the task ends. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface Workspace {
  readonly directory: string;
  /** A path inside; `name` is one of ours, never a user's. */
  path(name: string): string;
  remove(): Promise<void>;
}

/** A process that was just killed may still close a file. */
const REMOVE_RETRIES = 5;
const REMOVE_RETRY_DELAY_MS = 100;

export async function createWorkspace(workDir: string): Promise<Workspace> {
  await mkdir(workDir, { recursive: true });
  // mkdtemp makes it readable by its owner only.
  const directory = await mkdtemp(join(workDir, 'task-'));
  return {
    directory,
    path: (name) => join(directory, name),
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: REMOVE_RETRIES, retryDelay: REMOVE_RETRY_DELAY_MS }),
  };
}
