/**
 * What a storm's processes share, as files: the bucket, the journal of reconciles, and which fates have been met. Not flushed to the
 * disk, because SIGKILL takes a process and leaves what it has handed to the operating system.
 */
import { appendFileSync, mkdirSync, openSync, readdirSync, readSync, writeFileSync } from 'node:fs';
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
  journal(): readonly Line[];
  /** True for one caller alone. */
  meet(fate: number): boolean;
  met(): number;
}

const CHUNK_BYTES = 65_536;

export function openStormFolder(path: string): StormFolder {
  const journal = join(path, 'journal');
  const bucket = join(path, 'bucket');
  const met = join(path, 'met');
  mkdirSync(bucket, { recursive: true });
  mkdirSync(met, { recursive: true });
  appendFileSync(journal, '');
  const journalFile = openSync(journal, 'r');
  const lines: Line[] = [];
  let readBytes = 0;
  /** What was appended since the last look: a storm looks often, and the queue's server may share its process. */
  const readOn = () => {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const length = readSync(journalFile, chunk, 0, CHUNK_BYTES, readBytes);
      const whole = chunk.subarray(0, length).lastIndexOf('\n') + 1;
      if (whole === 0) return;
      readBytes += whole;
      const texts = chunk.toString('utf8', 0, whole - 1).split('\n');
      lines.push(...texts.map((text) => Line.parse(JSON.parse(text))));
    }
  };
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
    journal() {
      readOn();
      return lines;
    },
    meet: (fate) => create(join(met, String(fate))),
    met: () => readdirSync(met).length,
  };
}
