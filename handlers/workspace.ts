/**
 * A private folder for one task. What a task writes to disk is there and nowhere else, is held to a quota, and goes when the task
 * ends.
 */
import { lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MillraceError } from '../errors.ts';
import { OWNER_TAG } from './leftovers.ts';
import { isSystemError } from './retry.ts';

export interface Workspace {
  readonly directory: string;
  /** The most that its files may take. */
  readonly quotaBytes: number;
  /** Aborted with DISK_FULL once its files take more than that. */
  readonly full: AbortSignal;
  /** A path inside; `name` is one of ours, never a user's. */
  path(name: string): string;
  /** Measures now. Throws DISK_FULL: an output that grew faster than it was watched must not be uploaded. */
  check(): Promise<void>;
  remove(): Promise<void>;
}

export interface WorkspaceOptions {
  readonly workDir: string;
  readonly quotaBytes: number;
}

/** ffmpeg writes at most some hundred megabytes in this time. */
const CHECK_EVERY_MS = 500;
/** A process that was just killed may still close a file. */
const REMOVE_RETRIES = 5;
const REMOVE_RETRY_DELAY_MS = 100;

export async function createWorkspace({ workDir, quotaBytes }: WorkspaceOptions): Promise<Workspace> {
  await mkdir(workDir, { recursive: true });
  // Absolute, because processes run inside it; mkdtemp makes it readable by its owner only.
  const directory = await mkdtemp(join(resolve(workDir), `task-${OWNER_TAG}-`));
  const full = new AbortController();
  let watch: NodeJS.Timeout | undefined;

  async function check(): Promise<void> {
    if ((await usedBytes(directory)) <= quotaBytes) return;
    const error = quotaExceeded(quotaBytes);
    full.abort(error);
    throw error;
  }

  function watchOn(): void {
    watch = setTimeout(() => {
      // Whoever works here hears of it through `full`; a folder that is gone needs no watching.
      check().then(watchOn, () => undefined);
    }, CHECK_EVERY_MS).unref();
  }
  watchOn();

  let removed = false;
  return {
    directory,
    quotaBytes,
    full: full.signal,
    path: (name) => join(directory, name),
    async check() {
      if (!removed) await check();
    },
    async remove() {
      removed = true;
      clearTimeout(watch);
      await rm(directory, { recursive: true, force: true, maxRetries: REMOVE_RETRIES, retryDelay: REMOVE_RETRY_DELAY_MS });
    },
  };
}

/** Trying again on the same worker fills the same quota. */
export function quotaExceeded(quotaBytes: number): MillraceError {
  return new MillraceError('DISK_FULL', `The task needs more than the ${quotaBytes} bytes of disk that it may use.`, {
    retryable: false,
    fix: 'Raise MILLRACE_TASK_DISK_QUOTA_BYTES on a worker that has the disk for it, or send less at a time.',
    context: { quotaBytes },
  });
}

/** Of all files below, links not followed. Files that come and go meanwhile count or do not. */
async function usedBytes(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (entry) => {
      try {
        return (await lstat(join(entry.parentPath, entry.name))).size;
      } catch (thrown) {
        if (isSystemError(thrown, 'ENOENT')) return 0;
        throw thrown;
      }
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
