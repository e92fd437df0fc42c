/** Where in a job a local file belongs, from its name; and in which order files are written. */
import { basename, extname } from 'node:path';
import { MillraceError } from '../errors.ts';
import { isJobKey, isReservedKey } from '../manifests/job-key.ts';
import { kindOfFileName, MANIFEST_KINDS } from '../manifests/kinds.ts';

export interface JobFile {
  readonly path: string;
  /** Relative to the job's folder. */
  readonly key: string;
}

const MANIFEST_KEYS: Readonly<Record<string, string>> = {
  'pipeline.json': 'pipeline.json',
  'cancel.json': 'cancel.json',
  'webhooks.json': 'webhooks.json',
  'sources.json': 'inputs/sources.json',
  'segments.json': 'stage/segmentation/segments.json',
  'encoding.json': 'stage/encoding/encoding.json',
};

const AUDIO = ['.aac', '.flac', '.m4a', '.mp3', '.oga', '.ogg', '.opus', '.wav'];
const VIDEO = ['.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpg', '.ts', '.webm'];
const IMAGE = ['.jpeg', '.jpg', '.png', '.webp'];

/** `FILE`, or `KEY=FILE` where the name does not say where it belongs. Throws USAGE. */
export function jobFile(argument: string): JobFile {
  const equals = argument.indexOf('=');
  if (equals < 0) return { path: argument, key: keyOfName(argument) };
  const key = argument.slice(0, equals);
  if (isJobKey(key) && !isReservedKey(key)) return { path: argument.slice(equals + 1), key };
  throw new MillraceError('USAGE', `${JSON.stringify(key)} is no key inside a job's folder that may be written`, {
    fix: 'Give a key such as inputs/audio/master.m4a=talk.m4a: no leading slash, no .., not in results/, problems/ or webhooks/.',
  });
}

function keyOfName(path: string): string {
  const name = basename(path);
  // As `validate` reads names: intro.segments.json is one too.
  const kind = kindOfFileName(name);
  const manifest = MANIFEST_KEYS[kind === undefined ? name : MANIFEST_KINDS[kind].fileName];
  if (manifest !== undefined) return manifest;
  const extension = extname(name).toLowerCase();
  if (/^segment_\d+\.mp4$/.test(name)) return `stage/clips/${name}`;
  if (AUDIO.includes(extension)) return `inputs/audio/master${extension}`;
  if (VIDEO.includes(extension)) return `inputs/video/source${extension}`;
  if (IMAGE.includes(extension)) return `inputs/image/presenter${extension}`;
  if (extension === '.ass') return `inputs/subtitles/${name}`;
  throw new MillraceError('USAGE', `where ${JSON.stringify(name)} belongs in a job cannot be told from its name`, {
    fix: `Say so: KEY=FILE, such as inputs/data/${name}=${path}.`,
  });
}

/** pipeline.json first, so that no other graph is ever planned; manifests last, so that what they ask for is there. */
export function inWritingOrder(files: readonly JobFile[]): JobFile[] {
  const rank = ({ key }: JobFile) =>
    key === 'pipeline.json' ? 0 : Object.values(MANIFEST_KEYS).includes(key) || key === 'segments.json' ? 2 : 1;
  return files.toSorted((a, b) => rank(a) - rank(b));
}
