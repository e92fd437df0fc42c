/**
 * Dead letters in a file, one JSON document a line: saved from a queue, edited by whoever knows better, and sent again. What is
 * sent is `body`, `attributes` and `replays`; the rest is there to choose by.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import { type DeadLetter, MAX_RECEIVES, readLetter } from './dead-letter.ts';
import type { LetterSink, LetterSource, TakenLetter } from './letter-queue.ts';

const Attribute = z.union([
  z.string(),
  z.strictObject({ type: z.string(), text: z.string() }),
  z.strictObject({ type: z.string(), base64: z.base64() }),
]);

const SavedLetter = z.object({
  id: z.string().min(1),
  body: z.string(),
  attributes: z.record(z.string(), Attribute).default({}),
  replays: z.int().nonnegative().default(0),
  /** The code of its note; its sentence; when that was written. */
  reason: z.string().default(MAX_RECEIVES),
  why: z.string().default(''),
  at: z.string().nullable().default(null),
});
type SavedLetter = z.infer<typeof SavedLetter>;

/** Lines gathered before one write waits for the disk. */
const MAX_BATCH = 10;

/** A file that letters are appended to. One that holds letters already is added to, and none of those is written twice. */
export async function openLetterSink(file: string): Promise<LetterSink & { close(): Promise<void> }> {
  const handle = await openLetters(file, 'a+');
  const known = new Set<string>();
  try {
    await mendEnd(handle);
    for await (const { id } of linesOf(handle, file)) known.add(id);
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
  return {
    name: file,
    maxBatch: MAX_BATCH,
    warnings: [],
    async send(letters) {
      const fresh = letters.filter(({ letter }) => !known.has(letter.id));
      await handle.appendFile(fresh.map(({ letter, replays }) => `${JSON.stringify(saved(letter, replays))}\n`).join(''));
      await handle.datasync();
      for (const { letter } of fresh) known.add(letter.id);
      return letters.map(() => undefined);
    },
    close: () => handle.close(),
  };
}

function saved({ id, body, attributes, code, reason, note, jobs, stages, atMs }: DeadLetter, replays: number) {
  const at = note?.deadLetteredAt ?? (atMs === undefined ? null : new Date(atMs).toISOString());
  return { id, body, attributes, replays, reason: code, why: reason, at, jobs, stages } satisfies SavedLetter &
    Record<string, unknown>;
}

/** A file that letters are read from; it stays as it is. Throws MANIFEST_INVALID at the first line that is no letter. */
export async function openLetterSource(file: string, pipelinesPrefix: string): Promise<LetterSource> {
  const handle = await openLetters(file, 'r');
  const lines = linesOf(handle, file);
  const seen = new Set<string>();
  return {
    name: file,
    async take(most) {
      const taken: TakenLetter[] = [];
      while (taken.length < most) {
        const next = await lines.next();
        if (next.done === true) break;
        const each = takenFrom(next.value, pipelinesPrefix);
        if (!seen.has(each.key)) taken.push(each);
        seen.add(each.key);
      }
      return taken;
    },
    hold: async () => undefined,
    remove: async (letters) => letters.map(() => undefined),
    state: async () => ({ letters: undefined, hidden: undefined, warnings: [] }),
    close: () => handle.close(),
  };
}

function takenFrom(saved: SavedLetter, pipelinesPrefix: string): TakenLetter {
  const { id, body, attributes, replays, reason: code, why: reason, at } = saved;
  const read = readLetter({ id, body, attributes, sentAtMs: timeOf(at) }, pipelinesPrefix);
  const letter = { ...read, replays, ...(code === MAX_RECEIVES ? {} : { code, reason }) };
  // Edited, it is another letter: it has not been sent yet, whatever became of it before.
  const content = createHash('sha256')
    .update(JSON.stringify([body, attributes, replays]))
    .digest('hex')
    .slice(0, DIGEST_CHARACTERS);
  return { letter, key: `${id}#${content}`, receipt: '' };
}

function timeOf(at: string | null): number | undefined {
  const ms = Date.parse(at ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

const DIGEST_CHARACTERS = 16;

async function openLetters(file: string, flags: 'r' | 'a+'): Promise<FileHandle> {
  try {
    // Bodies can hold what is nobody else's business.
    return await open(file, flags, 0o600);
  } catch (cause) {
    const what = flags === 'r' ? 'read' : 'written';
    throw new MillraceError('USAGE', `The file ${file} cannot be ${what}.`, { cause, fix: 'Name another file.' });
  }
}

async function* linesOf(handle: FileHandle, file: string): AsyncGenerator<SavedLetter, void> {
  const input = handle.createReadStream({ start: 0, autoClose: false, encoding: 'utf8' });
  let number = 0;
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (text.trim() === '') continue;
    const line = readSaved(text);
    if (line === undefined) throw noLetter(file, number);
    yield line;
  }
}

function readSaved(text: string): SavedLetter | undefined {
  try {
    return SavedLetter.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

const CHUNK_BYTES = 65_536;

/** What a crash left of a last line goes, since its letter is still where it was; a whole one gets the newline that it lacks. */
async function mendEnd(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  const parts: Buffer[] = [];
  let start = size;
  let newline = -1;
  while (start > 0 && newline === -1) {
    const length = Math.min(CHUNK_BYTES, start);
    start -= length;
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, start);
    newline = buffer.lastIndexOf('\n');
    parts.unshift(buffer.subarray(newline + 1));
  }
  const last = Buffer.concat(parts);
  if (last.length === 0) return;
  if (readSaved(last.toString()) === undefined) await handle.truncate(size - last.length);
  else await handle.appendFile('\n');
}

function noLetter(file: string, number: number): MillraceError {
  return new MillraceError('MANIFEST_INVALID', `Line ${number} of ${file} is no dead letter.`, {
    fix: 'Each line must be a JSON object with a text `id` and a text `body`, as `millrace dead-letters replay --to FILE` writes them.',
  });
}
