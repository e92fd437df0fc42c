/**
 * What a storm's processes share, as files: the bucket, the journal of reconciles, and which fates have been met. Not flushed to the
 * disk, because SIGKILL takes a process and leaves what it has handed to the operating system.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const Line = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('received'), process: z.int(), message: z.string(), receiveCount: z.int() }),
  /** `seen`: how many of the job's objects were there. */
  z.object({ kind: z.literal('began'), process: z.int(), turn: z.string(), job: z.string(), seen: z.int() }),
  z.object({ kind: z.literal('ended'), process: z.int(), turn: z.string(), job: z.string(), succeeded: z.boolean() }),
]);
export type Line = z.infer<typeof Line>;

export interface StormFolder {
  write(job: string, object: number): void;
  /** How many objects the job has. */
  objectsOf(job: string): number;
  record(line: Line): void;
  journal(): Line[];
  /** True for one caller alone. */
  meet(fate: number): boolean;
  met(): number;
}

export function openStormFolder(path: string): StormFolder {
  const journal = join(path, 'journal');
  const bucket = join(path, 'bucket');
  const met = join(path, 'met');
  mkdirSync(bucket, { recursive: true });
  mkdirSync(met, { recursive: true });
  appendFileSync(journal, '');
  const create = (file: string): boolean => {
    try {
      writeFileSync(file, '', { flag: 'wx' });
      return true;
    } catch {
      return false;
    }
  };
  return {
    write(job, object) {
      mkdirSync(join(bucket, job), { recursive: true });
      create(join(bucket, job, String(object)));
    },
    objectsOf: (job) => readdirSync(join(bucket, job)).length,
    // One small append a line: two processes must not tear each other's lines.
    record: (line) => appendFileSync(journal, `${JSON.stringify(line)}\n`),
    journal: () =>
      readFileSync(journal, 'utf8')
        .split('\n')
        .filter((text) => text !== '')
        .map((text) => Line.parse(JSON.parse(text))),
    meet: (fate) => create(join(met, String(fate))),
    met: () => readdirSync(met).length,
  };
}
