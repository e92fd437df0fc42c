/** One object as Google's two APIs describe it: a JSON resource, or headers. */
import type { StoredObject } from '../objects.ts';
import { httpDate, isoDate, quoted } from '../response.ts';

/** JSON names of the headers that are kept with an object. */
export const KEPT_FIELDS = {
  contentType: 'content-type',
  cacheControl: 'cache-control',
  contentDisposition: 'content-disposition',
  contentEncoding: 'content-encoding',
  contentLanguage: 'content-language',
} as const;

export function objectResource(bucket: string, object: StoredObject): Record<string, unknown> {
  const generation = String(object.generation);
  const kept = Object.entries(KEPT_FIELDS).flatMap(([field, header]) => {
    const value = object.headers[header];
    return value === undefined ? [] : [[field, value]];
  });
  const md5 = md5Of(object);
  return {
    kind: 'storage#object',
    id: `${bucket}/${object.key}/${generation}`,
    name: object.key,
    bucket,
    generation,
    metageneration: '1',
    ...Object.fromEntries(kept),
    timeCreated: isoDate(object.modifiedMs),
    updated: isoDate(object.modifiedMs),
    storageClass: 'STANDARD',
    size: String(object.sizeBytes),
    ...(md5 === undefined ? { componentCount: 2 } : { md5Hash: md5 }),
    ...crc32cOf(object),
    etag: jsonEtag(object),
    ...(Object.keys(object.metadata).length === 0 ? {} : { metadata: object.metadata }),
  };
}

export function objectHeaders(object: StoredObject): Record<string, string> {
  const md5 = md5Of(object);
  const { crc32c } = crc32cOf(object);
  const hashes = [crc32c === undefined ? [] : [`crc32c=${crc32c}`], md5 === undefined ? [] : [`md5=${md5}`]].flat();
  return {
    'accept-ranges': 'bytes',
    ...object.headers,
    etag: quoted(xmlEtag(object)),
    'last-modified': httpDate(object.modifiedMs),
    'x-goog-generation': String(object.generation),
    'x-goog-metageneration': '1',
    'x-goog-stored-content-length': String(object.sizeBytes),
    'x-goog-stored-content-encoding': object.headers['content-encoding'] ?? 'identity',
    'x-goog-storage-class': 'STANDARD',
    ...(hashes.length === 0 ? {} : { 'x-goog-hash': hashes.join(',') }),
    ...Object.fromEntries(Object.entries(object.metadata).map(([name, value]) => [`x-goog-meta-${name}`, value])),
  };
}

/** The MD5 where there is one; composite objects have none, and their ETag says so with its first character. */
export function xmlEtag(object: StoredObject): string {
  return md5Of(object) === undefined ? `-${jsonEtag(object)}` : object.etag;
}

/** Another text than the XML API's, on purpose: whoever compares the two has a defect. */
function jsonEtag({ generation }: StoredObject): string {
  return Buffer.from(String(generation)).toString('base64url');
}

/** Base64; what was uploaded in parts has none, as composite objects have none. */
function md5Of({ etag }: StoredObject): string | undefined {
  return /^[0-9a-f]{32}$/.test(etag) ? Buffer.from(etag, 'hex').toString('base64') : undefined;
}

function crc32cOf({ checksum }: StoredObject): { readonly crc32c?: string } {
  const known = checksum?.algorithm === 'CRC32C' && checksum.type === 'FULL_OBJECT';
  return known ? { crc32c: checksum.value } : {};
}
