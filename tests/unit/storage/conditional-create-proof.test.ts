import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { proveConditionalCreate } from '../../../storage/conditional-create-proof.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';

type Create = (objects: Map<string, string>, key: string, body: string, nth: number) => boolean | Error;

const honest: Create = (objects, key, body) => {
  if (objects.has(key)) return false;
  objects.set(key, body);
  return true;
};

function storeWith(create: Create) {
  const objects = new Map<string, string>();
  let creates = 0;
  const unused = () => {
    throw new Error('not a part of this proof');
  };
  const store: ObjectStore = {
    scheme: 's3',
    bucket: 'videos',
    createIfAbsent: async (key, body) => {
      creates += 1;
      const nth = creates;
      await Promise.resolve();
      const answer = create(objects, key, String(body), nth);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    get: async (key) => {
      const body = objects.get(key);
      if (body === undefined) return null;
      return {
        key,
        sizeBytes: body.length,
        etag: '',
        lastModifiedMs: 0,
        contentType: undefined,
        metadata: {},
        body: Readable.from([body]),
      };
    },
    delete: async (key) => void objects.delete(key),
    list: unused,
    listFolders: unused,
    head: unused,
    put: unused,
    presignGet: unused,
    presignPut: unused,
  };
  return { store, objects, prove: () => proveConditionalCreate(store, { prefix: 'pipelines-state/', random: () => 'r1' }) };
}

const unreachable = new MillraceError('STORE_UNREACHABLE', 'away');

describe('proveConditionalCreate', () => {
  test('passes a store that honours it, and leaves nothing behind', async () => {
    const { prove, objects } = storeWith(honest);
    await prove();
    expect(objects.size).toBe(0);
  });

  test('passes when some racers got no answer, as long as one won and one clearly lost', async () => {
    await storeWith((objects, key, body, nth) => (nth % 2 === 0 ? unreachable : honest(objects, key, body, nth))).prove();
  });

  test.each<[string, Create]>([
    [
      'overwrites silently',
      (objects, key, body) => {
        objects.set(key, body);
        return true;
      },
    ],
    ['lets two racers win', (objects, key, body, nth) => nth === 2 || honest(objects, key, body, nth)],
    ['lets a late one win', (objects, key, body, nth) => nth === 21 || honest(objects, key, body, nth)],
    [
      'overwrites and says that it did not',
      (objects, key, body) => {
        const isFirst = !objects.has(key);
        objects.set(key, body);
        return isFirst;
      },
    ],
    ['lets nobody win', () => false],
    ['does not know it', () => new MillraceError('STORE_ERROR', 'no', { context: { status: 501 } })],
  ])('fails a store that %s, with what to do, and cleans up', async (_what, create) => {
    const { prove, objects } = storeWith(create);
    await expect(prove()).rejects.toMatchObject({
      code: 'CONDITIONAL_CREATE_UNSUPPORTED',
      context: { bucket: 'videos' },
      fix: expect.stringContaining("Google's own client"),
    });
    expect(objects.size).toBe(0);
  });

  test("passes the store's own error on when it cannot be asked", async () => {
    await expect(storeWith(() => unreachable).prove()).rejects.toBe(unreachable);
  });
});
