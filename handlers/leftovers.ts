/**
 * What a worker that was killed left in the folder where workers keep their files. Every name there carries its owner (host, process,
 * and when that process started), because several workers may share the folder, and a container's new process gets the old one's id.
 */
import { readFileSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../log.ts';

/** `<host>.<pid>.<start>`; the start is in clock ticks since boot, 0 where the system does not tell. */
export const OWNER_TAG = `${hostTag()}.${process.pid}.${startTicks(process.pid) ?? 0}`;

const OWNED = /^(?:task|masters)-(?<host>[A-Za-z0-9_-]+)\.(?<pid>\d{1,10})\.(?<start>\d+)-\w+$/;

/** Nobody can ask another host whether a process lives. No task may last longer than seven days, so after that nothing of it is in use. */
const FOREIGN_LEFTOVER_MS = 8 * 24 * 3600 * 1000;

/** Removes the folders of workers that no longer run. Never throws: a folder that stays costs disk, not correctness. */
export async function removeLeftovers(workDir: string, log: Logger, nowMs: number): Promise<void> {
  const names = await readdir(workDir).catch((): string[] => []);
  for (const name of names) {
    const path = join(workDir, name);
    try {
      if (!(await isLeftover(name, path, nowMs))) continue;
      await rm(path, { recursive: true, force: true });
      log.info({ leftover: name }, 'removed what a worker that was killed left behind');
    } catch (thrown) {
      log.warn({ leftover: name, error: thrown }, 'what a worker that was killed left behind could not be removed');
    }
  }
}

async function isLeftover(name: string, path: string, nowMs: number): Promise<boolean> {
  const owner = OWNED.exec(name)?.groups;
  if (owner === undefined) return false;
  if (owner.host !== hostTag()) return nowMs - (await stat(path)).mtimeMs > FOREIGN_LEFTOVER_MS;
  return !isRunning(Number(owner.pid), Number(owner.start));
}

function isRunning(pid: number, start: number): boolean {
  const found = startTicks(pid);
  if (found !== undefined && start !== 0) return found === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // Another user's process is a process all the same.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}

/** The 22nd field of /proc/<pid>/stat; the second, the program's name, may hold blanks and brackets. */
function startTicks(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const ticks = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
    return Number.isSafeInteger(ticks) ? ticks : undefined;
  } catch {
    return undefined;
  }
}

function hostTag(): string {
  return hostname().replaceAll(/[^A-Za-z0-9_-]/g, '_') || 'host';
}
