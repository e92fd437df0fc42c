import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Queues } from '../../../../local/queue/queues.ts';
import { Store } from '../../../../local/queue/store.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-store-'));
  file = join(folder, 'queue.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true }));

const names = (store: Store) => new Queues(store.database).all().map((queue) => queue.name);
const create = (queues: Queues, name: string) =>
  queues.create({ uid: crypto.randomUUID(), name, attributes: {}, tags: {}, nowMs: 1 });

test('a change that fails takes itself back, and none of those that share its commit', async () => {
  const store = new Store(file);
  const queues = new Queues(store.database);
  const outcomes = await Promise.allSettled([
    store.write(() => create(queues, 'one')),
    store.write(() => {
      create(queues, 'two');
      throw new Error('not this one');
    }),
    store.write(() => create(queues, 'three')),
  ]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(names(store)).toEqual(['one', 'three']);
  store.close();
});

test('what was written is there when the file is opened again, also what was handed over just before closing', async () => {
  const store = new Store(file);
  const queues = new Queues(store.database);
  await store.write(() => create(queues, 'one'));
  const last = store.write(() => create(queues, 'two'));
  store.close();
  await last;

  const again = new Store(file);
  expect(names(again)).toEqual(['one', 'two']);
  again.close();
});

test('a change is not told before its commit', async () => {
  const store = new Store(file);
  const during = await store.write(() => store.database.isTransaction);
  expect(during).toBe(true);
  expect(store.database.isTransaction).toBe(false);
  store.close();
});

test('a store that is closed takes no change, and says so', async () => {
  const store = new Store(file);
  store.close();
  await expect(store.write(() => 1)).rejects.toThrow('closed');
});

test('a file that another server holds is refused', () => {
  const store = new Store(file);
  expect(() => new Store(file)).toThrow('cannot use');
  store.close();
});

test('a file that is something else is refused', () => {
  writeFileSync(file, 'not a database, but long enough to be read as one '.repeat(100));
  expect(() => new Store(file)).toThrow('cannot use');
});

test('a file of a later schema is refused', () => {
  const store = new Store(file);
  store.database.exec('PRAGMA user_version = 99');
  store.close();
  expect(() => new Store(file)).toThrow('version 99');
});
