/** Objects as Google's two APIs describe them: a JSON resource, and the headers of an XML answer. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { MillraceError } from '../errors.ts';
import { generationVersion } from './gcs-version.ts';
import type { ObjectHead } from './object-store.ts';

const Digits = z.string().regex(/^\d{1,20}$/);

export const GcsObject = z.object({
  name: z.string(),
  size: Digits,
  generation: Digits,
  /** Of this generation. `updated` also moves when somebody edits metadata. */
  timeCreated: z.string(),
  contentType: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});
export type GcsObject = z.infer<typeof GcsObject>;

/** What is asked for of one object, and of each object of a listing. */
export const OBJECT_FIELDS = 'name,size,generation,timeCreated,contentType,metadata';
export const LISTED_FIELDS = 'nextPageToken,items(name,size,generation,timeCreated)';

/** Of a listing of folders: an object without a folder is of no use there. */
export const FOLDER_FIELDS = 'nextPageToken,prefixes';

export const GcsPage = z.object({
  nextPageToken: z.string().optional(),
  items: z.array(GcsObject).optional(),
  prefixes: z.array(z.string()).optional(),
});
export type GcsPage = z.infer<typeof GcsPage>;

/** Google's own limit is 1000 objects a page, which is far less. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

/** Reads a JSON answer. Throws STORE_ERROR where it is not what Google's API answers: another service may lie behind the address. */
export async function readDocument<T>(schema: z.ZodType<T>, body: Readable): Promise<T> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_DOCUMENT_BYTES) {
      body.destroy();
      throw notGoogle();
    }
  }
  let document: unknown;
  try {
    document = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw notGoogle();
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) throw notGoogle();
  return parsed.data;
}

function notGoogle(): MillraceError {
  return new MillraceError('STORE_ERROR', "the answer is not one of Google's JSON API", {
    fix: "Let the address be that of Google's own API, or leave it out.",
  });
}

export function headOf(object: GcsObject): ObjectHead {
  return {
    key: object.name,
    sizeBytes: Number(object.size),
    etag: generationVersion(object.generation),
    generation: object.generation,
    lastModifiedMs: Date.parse(object.timeCreated),
    contentType: object.contentType,
    metadata: lowerCased(object.metadata ?? {}),
  };
}

const METADATA_HEADER = 'x-goog-meta-';

/** Throws STORE_ERROR where the generation is missing: nothing could be compared with it later. */
export function headOfHeaders(key: string, headers: IncomingHttpHeaders): ObjectHead {
  const generation = textOf(headers['x-goog-generation']);
  if (generation === undefined) {
    throw new MillraceError('STORE_ERROR', "the answer has no x-goog-generation: it is not one of Google's XML API");
  }
  const wholeBytes = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'];
  const metadata = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(METADATA_HEADER) ? [[name.slice(METADATA_HEADER.length), textOf(value) ?? '']] : [],
  );
  return {
    key,
    sizeBytes: Number(wholeBytes ?? textOf(headers['x-goog-stored-content-length']) ?? 0),
    etag: generationVersion(generation),
    generation,
    lastModifiedMs: Date.parse(headers['last-modified'] ?? '') || 0,
    contentType: headers['content-type'],
    metadata: Object.fromEntries(metadata),
  };
}

/** HTTP knows no case in names, and one API writes what the other reads. */
export function lowerCased(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), value]));
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
