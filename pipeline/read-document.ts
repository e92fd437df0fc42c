/** Small documents of the bucket, parsed: claims, runs, results, notes. */
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import { parseDocument } from '../manifests/parse.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** `null` where there is none, or what lies there is no such document. Throws where the bucket cannot be read. */
export async function readDocument<T extends z.ZodType>(
  { store }: { readonly store: Pick<ObjectStore, 'get'> },
  key: string,
  schema: T,
  signal?: AbortSignal,
): Promise<z.output<T> | null> {
  const found = await store.get(key, signal === undefined ? {} : { signal });
  const parsed = found === null ? null : parseDocument(schema, await text(found.body));
  return parsed?.ok === true ? parsed.value : null;
}
