/** Where an object's file lies: under its own key wherever a person could have typed that path, else under an escaped name. */
import { createHash } from 'node:crypto';

/** The bucket's own folder inside the data folder. No bucket can have this name: bucket names start with a letter or digit. */
export const STATE_FOLDER = '.millrace';

/** S3's limit, in UTF-8 bytes. */
export const MAX_KEY_BYTES = 1024;

// File systems allow 255 bytes a name and 1024 (macOS) or 4096 (Linux) a path, which must also hold the data folder.
const MAX_PLAIN_KEY_BYTES = 600;
const MAX_PLAIN_PART_BYTES = 200;
const MAX_READABLE_TAIL = 60;

/** Letters, digits, marks and symbols that no file system or shell in use takes for anything but a name. */
const PLAIN_PART = /^[\p{L}\p{N}\p{M}\p{S}._\-+=@#%&~!,;()[\]{}' –—‘’“”…]+$/u;
const REFUSED_IN_PLAIN_PART = /[<>|`^$]/;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** The path relative to the data folder, with `/`, or `undefined` where the key cannot be a plain path. */
export function plainPath(bucket: string, key: string): string | undefined {
  if (Buffer.byteLength(key) > MAX_PLAIN_KEY_BYTES) return undefined;
  return key.split('/').every(isPlainPart) ? `${bucket}/${key}` : undefined;
}

function isPlainPart(part: string): boolean {
  return (
    PLAIN_PART.test(part) &&
    !REFUSED_IN_PLAIN_PART.test(part) &&
    // `.` and `..` are caught here; Windows also drops dots and blanks at the end of a name.
    !/^ |[. ]$/.test(part) &&
    !WINDOWS_DEVICE.test(part) &&
    Buffer.byteLength(part) <= MAX_PLAIN_PART_BYTES
  );
}

/** One safe name for any key: a hash, with as much of the key behind it as a person needs to recognise it. */
export function escapedPath(bucket: string, key: string): string {
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 40);
  const tail = key.replace(/[^A-Za-z0-9._-]+/g, '_').slice(-MAX_READABLE_TAIL);
  return `${STATE_FOLDER}/objects/${bucket}/${hash}-${tail}`;
}

/**
 * Equal for two paths that a file system may take for one: macOS and Windows ignore case, macOS also how an accent is composed.
 */
export function foldPath(path: string): string {
  return path.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}
