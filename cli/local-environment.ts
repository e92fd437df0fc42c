/**
 * How other commands find a running `millrace dev`: it writes what they need into its data folder. A command uses it
 * where the environment names no deployment.
 */
import { readFileSync, rmSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const FILE = 'dev.json';

const LocalEnvironment = z.object({ pid: z.int(), environment: z.record(z.string(), z.string()) });

type Environment = Readonly<Record<string, string | undefined>>;

/** Holds keys of the local bucket: for the owner's eyes only. */
export async function writeLocalEnvironment(dataDir: string, environment: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const draft = join(dataDir, `${FILE}.${process.pid}`);
  await writeFile(draft, `${JSON.stringify({ pid: process.pid, environment }, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, join(dataDir, FILE));
}

/** Only this process's own: one that could not start beside another must not hide the other from the commands. */
export function removeLocalEnvironment(dataDir: string): void {
  if (readFile(dataDir)?.pid === process.pid) rmSync(join(dataDir, FILE), { force: true });
}

export interface ChosenEnvironment {
  readonly env: Environment;
  /** The data folder of the running `millrace dev` that it comes from. */
  readonly local?: string;
}

/** The environment itself where it names a deployment, else with a running `millrace dev` filled in. */
export function chooseEnvironment(env: Environment, dataDir: string): ChosenEnvironment {
  if (isSet(env.S3_ENDPOINT_URL) || isSet(env.VIDEOS_BUCKET)) return { env };
  const local = readLocalEnvironment(dataDir);
  return local === null ? { env } : { env: { ...env, ...local }, local: dataDir };
}

/** Empty values count as absent. */
export const isSet = (value: string | undefined): boolean => value !== undefined && value.trim() !== '';

function readLocalEnvironment(dataDir: string): Readonly<Record<string, string>> | null {
  const local = readFile(dataDir);
  return local !== null && isRunning(local.pid) ? local.environment : null;
}

/** `null` where there is none, or one that is none of ours. */
function readFile(dataDir: string): z.infer<typeof LocalEnvironment> | null {
  try {
    return LocalEnvironment.parse(JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')));
  } catch {
    return null;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
