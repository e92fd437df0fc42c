import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openScratch, type Scratch } from './scratch.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = openScratch();
});
afterEach(() => scratch.close());

const bodyOf = (key: string): string | undefined => {
  const object = scratch.objects.find('videos', key);
  return object === undefined ? undefined : readFileSync(scratch.files.absolute(object.path), 'utf8');
};

describe('where objects lie', () => {
  test('a key that can be a path is that path in the folder', () => {
    scratch.put('pipelines/job/exports/output.mp4', 'film');
    expect(readFileSync(join(scratch.dataDir, 'videos/pipelines/job/exports/output.mp4'), 'utf8')).toBe('film');
  });

  test.each([
    ['a', 'a/b'],
    ['a/b', 'a'],
    ['a/b', 'a/b/'],
    ['X/y', 'x/Y'],
    ['é', 'e\u0301'],
    ['x', '../videos/x'],
  ])('the keys %j and %j keep apart', (one, other) => {
    scratch.put(one, 'one');
    scratch.put(other, 'other');
    expect([bodyOf(one), bodyOf(other)]).toEqual(['one', 'other']);
    scratch.remove(one);
    expect([bodyOf(one), bodyOf(other)]).toEqual([undefined, 'other']);
  });

  test('no key is written outside the folder', () => {
    const outside = mkdtempSync(join(tmpdir(), 'millrace-outside-'));
    symlinkSync(outside, join(scratch.dataDir, 'videos', 'link'));
    for (const key of ['../escape', '../../escape', '/etc/escape', 'link/escape', '..', '.millrace/bucket.sqlite'])
      scratch.put(key, key);
    expect(readdirSync(outside)).toEqual([]);
    expect(existsSync(join(scratch.dataDir, '..', 'escape'))).toBe(false);
    expect(bodyOf('link/escape')).toBe('link/escape');
    rmSync(outside, { recursive: true });
  });

  test('a key moves to its plain path once that is free', () => {
    scratch.put('a/b', 'folder');
    expect(scratch.put('a', 'file').path).toMatch(/^\.millrace\/objects\//);
    scratch.remove('a/b');
    expect(scratch.put('a', 'file again').path).toBe('videos/a');
    expect(bodyOf('a')).toBe('file again');
    expect(existsSync(join(scratch.dataDir, '.millrace/objects'))).toBe(false);
  });

  test('deleting the last object of a folder deletes the folder, but nothing that somebody else put there', () => {
    scratch.put('p/one/x', 'x');
    scratch.put('p/two/x', 'x');
    writeFileSync(join(scratch.dataDir, 'videos/p/two/mine.txt'), 'mine');
    scratch.remove('p/one/x');
    scratch.remove('p/two/x');
    expect(readdirSync(join(scratch.dataDir, 'videos/p'))).toEqual(['two']);
    expect(readdirSync(join(scratch.dataDir, 'videos/p/two'))).toEqual(['mine.txt']);
  });
});

describe('a condition that does not hold', () => {
  test('changes neither the row nor the file, and leaves no event behind', () => {
    scratch.put('k', 'first');
    expect(() => scratch.put('k', 'second', new Map([['if-none-match', '*']]))).toThrow(
      expect.objectContaining({ code: 'PreconditionFailed' }),
    );
    expect(bodyOf('k')).toBe('first');
    expect(scratch.objects.find('videos', 'k')?.etag).toBe('first');
    expect(scratch.database.rows('SELECT * FROM journal')).toEqual([]);
  });
});

describe('a start after a death', () => {
  test('carries out the rename that was committed', () => {
    scratch.put('k', 'old');
    const path = scratch.files.newIncoming();
    writeFileSync(scratch.files.absolute(path), 'new');
    scratch.database.transaction(() => {
      scratch.database.run("UPDATE objects SET etag = 'new', size_bytes = 3");
      scratch.files.note(path, 'videos/k');
    });
    scratch.files.recover();
    expect(bodyOf('k')).toBe('new');
    expect(scratch.database.rows('SELECT * FROM journal')).toEqual([]);
  });

  test('forgets a rename that was done, and carries out a removal that was committed', () => {
    scratch.put('k', 'body');
    scratch.put('gone', 'body');
    scratch.database.transaction(() => {
      scratch.files.note(scratch.files.newIncoming(), 'videos/k');
      scratch.database.run("DELETE FROM objects WHERE key = 'gone'");
      scratch.files.note('', 'videos/gone');
    });
    scratch.files.recover();
    expect(bodyOf('k')).toBe('body');
    expect(existsSync(join(scratch.dataDir, 'videos/gone'))).toBe(false);
  });

  test('deletes bodies and parts that nothing tells of', () => {
    writeFileSync(join(scratch.dataDir, '.millrace/incoming/half'), 'x');
    writeFileSync(join(scratch.dataDir, '.millrace/parts/half'), 'x');
    scratch.files.recover();
    expect(readdirSync(join(scratch.dataDir, '.millrace/incoming'))).toEqual([]);
    expect(readdirSync(join(scratch.dataDir, '.millrace/parts'))).toEqual([]);
  });

  test('a removal left over from long ago does not take a newer object with it', () => {
    scratch.database.transaction(() => scratch.files.note('', 'videos/k'));
    scratch.put('k', 'newer');
    scratch.files.recover();
    expect(bodyOf('k')).toBe('newer');
  });
});

test('a folder that another process uses is refused', () => {
  expect(() => openScratch({ dataDir: scratch.dataDir })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('a file that was deleted or changed by hand is not opened', () => {
  const { path, sizeBytes } = scratch.put('k', 'body');
  writeFileSync(scratch.files.absolute(path), 'another body');
  expect(scratch.files.open(path, sizeBytes)).toBeUndefined();
  rmSync(scratch.files.absolute(path));
  mkdirSync(scratch.files.absolute(path));
  expect(scratch.files.open(path, sizeBytes)).toBeUndefined();
});
