/** Whether the bucket can be used as a consumer uses it. What is written for that lies with the consumers' own proofs, and goes again. */
import { text } from 'node:stream/consumers';
import { asMillraceError } from '../../errors.ts';
import { proveConditionalCreate } from '../../storage/conditional-create-proof.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Check } from './check.ts';
import type { Examination } from './examination.ts';
import { ok, wrong } from './finding.ts';

export const bucket: Check = {
  name: 'bucket',
  needs: [],
  fix: 'Check VIDEOS_BUCKET, S3_ENDPOINT_URL, S3_REGION and the keys.',
  async run({ store, layout, random }, signal) {
    const key = `${layout.proofPrefix}doctor-${random()}`;
    const uri = `${store.scheme}://${store.bucket}`;
    let step = 'list';
    try {
      for await (const _ of store.list(`${layout.pipelinesPrefix}/`, { signal })) break;
      step = 'write';
      await store.put(key, key, { signal });
      step = 'read';
      const held = await store.get(key, { signal });
      if (held === null || (await text(held.body)) !== key) {
        return [
          wrong(`${uri} did not give back what was written a moment ago`, 'Use a store that is read-after-write consistent.'),
        ];
      }
      step = 'delete';
      await store.delete(key);
      return [ok(`${uri} can be listed, written, read and deleted from`)];
    } catch (thrown) {
      await store.delete(key).catch(() => undefined);
      return [refused(store, step, thrown)];
    }
  },
};

function refused({ scheme, bucket: name }: ObjectStore, step: string, thrown: unknown) {
  const { code, message, fix } = asMillraceError(thrown);
  return wrong(`${scheme}://${name}: the ${step} failed: ${message} (${code})`, fix ?? bucket.fix);
}

export const conditionalCreation: Check = {
  name: 'conditional-creation',
  needs: ['bucket'],
  fix: 'Try again: the store did not answer enough of the racers.',
  async run({ store, layout, random }: Examination, signal) {
    await proveConditionalCreate(store, { prefix: layout.proofPrefix, random, signal });
    return [ok('of twenty who create one key at once exactly one wins: claims hold')];
  },
};
