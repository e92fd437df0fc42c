import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DeadLetter } from '../../../../consumers/dead-letters/dead-letter.ts';
import { openLetterSink, openLetterSource } from '../../../../consumers/dead-letters/letter-file.ts';
import { letterOf, noted, notification } from './letters.ts';

const never = new AbortController().signal;

describe('a file of letters', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-letters-'));
    file = join(folder, 'letters.jsonl');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function save(...letters: readonly DeadLetter[]): Promise<void> {
    const sink = await openLetterSink(file);
    const outcomes = await sink.send(letters.map((letter) => ({ letter, key: letter.id, replays: letter.replays })));
    expect(outcomes).toEqual(letters.map(() => undefined));
    await sink.close();
  }
  async function read() {
    const source = await openLetterSource(file, 'pipelines');
    try {
      return await source.take(1_000, never);
    } finally {
      await source.close();
    }
  }
  const ids = async () => (await read()).map(({ letter }) => letter.id);

  test('gives back what was put in, its reason and its time included', async () => {
    const attributes = { ...noted('KEY_INVALID', { replays: 2 }), own: 'x', bytes: { type: 'Binary', base64: 'AAE=' } };
    const letter = letterOf({ body: notification('pipelines/a/inputs/x'), attributes });
    await save(letter);
    const [taken] = await read();
    const { note: _, receiveCount: __, ...rest } = letter;
    expect(taken?.letter).toMatchObject(rest);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('holds nothing twice, however often it is saved', async () => {
    await save(letterOf({ id: 'a' }), letterOf({ id: 'b' }));
    await save(letterOf({ id: 'b' }), letterOf({ id: 'c' }));
    expect(await ids()).toEqual(['a', 'b', 'c']);
  });

  test('that a crash has torn loses the torn line alone, whose letter is saved once more', async () => {
    const long = letterOf({ id: 'b', body: 'ü'.repeat(100_000) });
    await save(letterOf({ id: 'a' }), long);
    const { size } = await stat(file);
    for (const cut of [1, 2, 150_001]) {
      await truncate(file, size - cut);
      await save(long);
      expect(await ids()).toEqual(['a', 'b']);
    }
  });

  test('whose last line lacks its newline, as editors leave it, loses nothing', async () => {
    await save(letterOf({ id: 'a' }));
    await writeFile(file, (await readFile(file, 'utf8')).trimEnd());
    await save(letterOf({ id: 'b' }));
    expect(await ids()).toEqual(['a', 'b']);
  });

  test('knows an edited letter from the one that it was', async () => {
    await save(letterOf({ id: 'a', body: 'wrong' }));
    const before = (await read())[0]?.key;
    expect((await read())[0]?.key).toBe(before);
    await writeFile(file, (await readFile(file, 'utf8')).replace('wrong', 'right'));
    expect((await read())[0]?.key).not.toBe(before);
  });

  test('needs no more of a line than an id and a body', async () => {
    await writeFile(file, '\n{"id":"a","body":"x"}\n\n');
    expect((await read())[0]?.letter).toMatchObject({ id: 'a', body: 'x', attributes: {}, replays: 0, code: 'MAX_RECEIVES' });
  });

  test.each(['not JSON', '{"id":"a"}', '{"id":"","body":"x"}', '{"id":"a","body":"x","attributes":{"n":1}}'])(
    'with %s in it names the line',
    async (line) => {
      await save(letterOf({ id: 'a' }));
      await appendFile(file, `${line}\n`);
      const error = { code: 'MANIFEST_INVALID', message: expect.stringContaining('Line 2 of ') };
      await expect(read()).rejects.toMatchObject(error);
      await expect(save(letterOf({ id: 'b' }))).rejects.toMatchObject(error);
    },
  );
});
