/**
 * What was done to each dead letter, one JSON line a step, on the disk before the next step is taken. It is there for people, and
 * for the next run: whoever was killed between sending a letter and removing it left a `sent` without a `removed`.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';

export const ACTIONS = ['replay', 'copy', 'save', 'send', 'discard'] as const;

/** `copy` and `save`: sent to the queue or written to a file while the letter stays; `send`: from a file. */
export type Action = (typeof ACTIONS)[number];

/** `intent` before a letter is sent, so that a run that ends before its `sent` leaves a trace of what nobody knows. */
const STEPS = ['intent', 'sent', 'removed', 'quarantined', 'failed'] as const;

export interface AuditLine {
  readonly step: (typeof STEPS)[number];
  readonly id: string;
  /** What runs know the letter by, where that is not its id. */
  readonly key: string;
  readonly reason: string;
  readonly jobs: readonly string[];
  readonly stages: readonly string[];
  /** As the letter carries it after this step. */
  readonly replays: number;
  readonly error?: string;
}

export interface AuditScope {
  readonly action: Action;
  readonly from: string;
  /** Null for what goes nowhere. */
  readonly to: string | null;
}

/** What earlier runs with the same scope left behind, by key. */
export interface History {
  /** Sent for certain, and not known to be removed. */
  readonly sent: ReadonlySet<string>;
  /** Perhaps sent. */
  readonly uncertain: ReadonlySet<string>;
}

export const NO_HISTORY: History = { sent: new Set(), uncertain: new Set() };

export interface Audit {
  /** Resolves once the lines are on the disk. */
  write(lines: readonly AuditLine[]): Promise<void>;
  close(): Promise<void>;
}

export interface AuditOptions extends AuditScope {
  readonly file: string;
  /** Names this run in its lines. */
  readonly run: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const Line = z.object({
  action: z.enum(ACTIONS),
  step: z.enum(STEPS),
  from: z.string(),
  to: z.string().nullable(),
  id: z.string(),
  key: z.string().optional(),
});

/** Makes the file and its folder where they are missing. Throws USAGE where that is impossible. */
export async function openAudit({ file, run, now, action, from, to }: AuditOptions): Promise<Audit> {
  const handle = await openForAppending(file);
  return {
    async write(lines) {
      if (lines.length === 0) return;
      const at = new Date(now()).toISOString();
      const text = lines.map(({ step, id, key, ...rest }) =>
        JSON.stringify({ at, run, action, step, id, ...(key === id ? {} : { key }), ...rest, from, to }),
      );
      await handle.appendFile(`${text.join('\n')}\n`);
      await handle.datasync();
    },
    close: () => handle.close(),
  };
}

async function openForAppending(file: string): Promise<FileHandle> {
  try {
    await mkdir(dirname(file), { recursive: true });
    // It names jobs and keys: for its owner and their group.
    const handle = await open(file, 'a+', 0o640);
    const { size } = await handle.stat();
    const last = size === 0 ? '\n' : (await handle.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString();
    // A crash, or a full disk, may have torn the last line.
    if (last !== '\n') await handle.appendFile('\n');
    return handle;
  } catch (cause) {
    throw new MillraceError('USAGE', `The audit file ${file} cannot be written.`, {
      cause,
      fix: 'Name another one with --audit FILE.',
    });
  }
}

/** What the lines of the same scope say; nothing where there is no such file. */
export async function readHistory(file: string, scope: AuditScope): Promise<History> {
  const sent = new Set<string>();
  const uncertain = new Set<string>();
  for await (const text of linesOf(file)) {
    const line = readLine(text);
    if (line?.action !== scope.action || line.from !== scope.from || line.to !== scope.to) continue;
    const key = line.key ?? line.id;
    if (line.step === 'intent') uncertain.add(key);
    else if (line.step !== 'quarantined') uncertain.delete(key);
    if (line.step === 'sent') sent.add(key);
    else if (line.step === 'removed') sent.delete(key);
  }
  return { sent, uncertain };
}

async function* linesOf(file: string): AsyncGenerator<string, void> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new MillraceError('USAGE', `The audit file ${file} cannot be read.`, {
      cause,
      fix: 'Name another one with --audit FILE.',
    });
  });
  if (handle === undefined) return;
  try {
    yield* createInterface({ input: handle.createReadStream({ autoClose: false, encoding: 'utf8' }) });
  } finally {
    await handle.close();
  }
}

/** Undefined for a line that is torn, or not one of these. */
function readLine(text: string): z.infer<typeof Line> | undefined {
  try {
    return Line.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
