/**
 * As what an object is served, by its key alone: what its writer said it was is worth nothing, because whoever writes into a job's folder
 * could say that it is a page, and a page of this origin may do all that the operator may.
 */

export interface ServedAs {
  readonly mediaType: string;
  /** Whether a browser may show it. What is not shown is saved. */
  readonly isInline: boolean;
}

/** Nothing here can hold a script. SVG and HTML are not here, nor is XML. */
const SHOWN: Readonly<Record<string, string>> = {
  aac: 'audio/aac',
  flac: 'audio/flac',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
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
  wav: 'audio/wav',
  webm: 'video/webm',
  webp: 'image/webp',
};

/** Shown as what they are to read, never as what they might be run as. */
const TEXTS: ReadonlySet<string> = new Set(['ass', 'csv', 'json', 'jsonl', 'log', 'md', 'srt', 'txt', 'vtt']);

export function mediaTypeOf(key: string): ServedAs {
  const extension = /\.([^./]+)$/.exec(key)?.[1]?.toLowerCase() ?? '';
  const shown = Object.hasOwn(SHOWN, extension) ? SHOWN[extension] : undefined;
  if (shown !== undefined) return { mediaType: shown, isInline: true };
  if (TEXTS.has(extension)) return { mediaType: 'text/plain; charset=utf-8', isInline: true };
  return { mediaType: 'application/octet-stream', isInline: false };
}
