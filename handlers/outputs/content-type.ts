/** The media type of a file, from what its server said and what its name tells. */

const BY_EXTENSION: Readonly<Record<string, string>> = {
  aac: 'audio/aac',
  ass: 'text/x-ssa',
  avi: 'video/x-msvideo',
  flac: 'audio/flac',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  m4a: 'audio/mp4',
  m4v: 'video/mp4',
  mkv: 'video/x-matroska',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  oga: 'audio/ogg',
  ogg: 'audio/ogg',
  opus: 'audio/ogg',
  png: 'image/png',
  srt: 'application/x-subrip',
  ts: 'video/mp2t',
  txt: 'text/plain; charset=utf-8',
  vtt: 'text/vtt',
  wav: 'audio/wav',
  webm: 'video/webm',
  webp: 'image/webp',
};

export const UNKNOWN_CONTENT_TYPE = 'application/octet-stream';

/** What servers say when they do not know. */
const MEANINGLESS: ReadonlySet<string> = new Set([
  UNKNOWN_CONTENT_TYPE,
  'binary/octet-stream',
  'application/x-www-form-urlencoded',
  '',
]);

/** The first that says something: what was asked for, what the server said, what the names end in. */
export function contentTypeFor(asked: string | undefined, served: string | undefined, fileNames: readonly string[]): string {
  if (asked !== undefined && asked !== '') return asked;
  if (served !== undefined && !MEANINGLESS.has(served.replace(/;.*/s, '').trim().toLowerCase())) return served;
  const named = fileNames.map((name) => BY_EXTENSION[/\.([^./]+)$/.exec(name)?.[1]?.toLowerCase() ?? '']);
  return named.find((type) => type !== undefined) ?? UNKNOWN_CONTENT_TYPE;
}
