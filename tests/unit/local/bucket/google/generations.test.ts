import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { BucketDatabase } from '../../../../../local/bucket/database.ts';
import { openScratch } from '../scratch.ts';

test('a generation is larger than all before, for every key, also after a deletion', async () => {
  const scratch = openScratch();
  const first = scratch.put('a', 'x').generation;
  const second = scratch.put('b', 'x').generation;
  scratch.remove('a');
  const third = scratch.put('a', 'x').generation;
  expect([second > first, third > second]).toEqual([true, true]);
  expect(scratch.objects.find('videos', 'a')?.generation).toBe(third);
  expect(String(third)).toMatch(/^\d{16}$/);
  await scratch.close();
});

test('a folder from before generations keeps its objects, each with the generation of its time', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-bucket-'));
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, 'bucket.sqlite');
  new BucketDatabase(file).close();
  const old = new DatabaseSync(file);
  old.exec('ALTER TABLE objects DROP COLUMN generation');
  old.exec(`INSERT INTO objects VALUES ('videos', 'k', 'videos/k', 'videos/k', 1, 'e', 1764100000123, '{}', '{}', 'null')`);
  old.close();
  for (let start = 0; start < 2; start++) {
    const database = new BucketDatabase(file);
    expect(database.row('SELECT key, generation FROM objects')).toEqual({ key: 'k', generation: 1_764_100_000_123_000 });
    database.close();
  }
  rmSync(dataDir, { recursive: true });
});
