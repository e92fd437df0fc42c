/** A small object, whole. */
import { text } from 'node:stream/consumers';
import type { ObjectStore } from '../storage/object-store.ts';

/** `null` where there is none, or where it is larger than `mostBytes`: then it is not what was looked for. */
export async function readObjectText(
  store: ObjectStore,
  key: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<string | null> {
  const found = await store.get(key, { signal });
  if (found === null) return null;
  if (found.sizeBytes <= mostBytes) return text(found.body);
  found.body.destroy();
  return null;
}
