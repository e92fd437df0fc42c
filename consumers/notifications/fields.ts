/**
 * The fields of notifications, whoever sends them. A bucket and a key are needed; every other fact is left out where it is not
 * what it should be: a message that names its object is not to end among the dead letters because of an odd size.
 */
import { z } from 'zod';

export const Name = z.string().min(1);

/** Ceph writes `""` for what there is none of. */
export const Text = z
  .string()
  .nullish()
  .transform((text) => (text === null || text === '' ? undefined : text))
  .catch(undefined);

/** Ceph and Cloud Storage write sizes as text. */
export const Size = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
  .refine((size) => Number.isSafeInteger(size) && size >= 0)
  .optional()
  .catch(undefined);

/** Text or a number, and leading zeros in neither. A number too large to be exact is none. */
export const Generation = z
  .union([z.string().regex(/^\d{1,20}$/), z.int().nonnegative()])
  .transform((generation) => BigInt(generation).toString())
  .optional()
  .catch(undefined);

interface RawFacts {
  readonly etag?: string | undefined;
  readonly size?: number | undefined;
  readonly versionId?: string | undefined;
  readonly generation?: string | undefined;
  readonly sequencer?: string | undefined;
  readonly time?: string | undefined;
}

/** Those of an object event's facts that are known. */
export function facts({ etag, size, versionId, generation, sequencer, time }: RawFacts) {
  const timeMs = instant(time);
  return {
    ...(etag === undefined ? {} : { etag: etag.replace(/^"(.*)"$/, '$1') }),
    ...(size === undefined ? {} : { sizeBytes: size }),
    ...(versionId === undefined ? {} : { versionId }),
    ...(generation === undefined ? {} : { generation }),
    ...(sequencer === undefined ? {} : { sequencer }),
    ...(timeMs === undefined ? {} : { timeMs }),
  };
}

/** A time without a zone is in UTC: some emulators leave the `Z` out, and Date.parse would take it for local time. */
function instant(time: string | undefined): number | undefined {
  if (time === undefined) return undefined;
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(time) ? time : `${time}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** `undefined` where the value is no object; a list has no fields. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value !== 'object' || value === null || Array.isArray(value) ? undefined : Reflect.get(value, name);
}

const MAX_SHOWN_CHARACTERS = 80;

/** The kind of an event whose `name` stands for no change of content. The name is the message's own text: cut short. */
export function noContentChange(name: string): { readonly kind: 'other'; readonly reason: string } {
  const shown = name.length > MAX_SHOWN_CHARACTERS ? `${name.slice(0, MAX_SHOWN_CHARACTERS)}…` : name;
  return { kind: 'other', reason: `${shown} is no change of content` };
}
