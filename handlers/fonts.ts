/** The fonts that subtitles are drawn with. */
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MillraceError } from '../errors.ts';
import { FONTS_FOLDER } from './ffmpeg/arguments/encode.ts';
import type { OpenInput } from './inputs/open-input.ts';
import type { TaskContext } from './task-context.ts';

const require = createRequire(import.meta.url);

/** The folder of the DejaVu fonts that come with the npm package, so that machines without fonts draw text. */
export function dejavuFontsDir(): string {
  return join(dirname(require.resolve('dejavu-fonts-ttf/package.json')), 'ttf');
}

const SYSTEM_FONTS = ['/usr/share/fonts', '/usr/local/share/fonts'];

const MAX_FONT_BYTES = 32 * 1024 * 1024;
const MAX_FONTS_BYTES = 128 * 1024 * 1024;
const MAX_WORKER_FONTS = 2000;

type FontContext = Pick<TaskContext, 'fontsDir' | 'fontCacheDir' | 'signal'> & {
  readonly workspace: Pick<TaskContext['workspace'], 'path'>;
};

/** The first four bytes of TrueType (two ways), OpenType and collections of both. */
const SIGNATURES: Readonly<Record<string, string>> = {
  '00010000': 'ttf',
  '74727565': 'ttf',
  '4f54544f': 'otf',
  '74746366': 'ttc',
};

/**
 * Fonts for libass, and the environment that makes it find them. A style may name a font that is not here: without a fontconfig
 * file (static builds have none) that text would not be drawn at all. Throws TOO_LARGE, or INPUT_INVALID where a font is none.
 */
export async function prepareFonts(fonts: readonly OpenInput[], context: FontContext): Promise<Record<string, string>> {
  const { workspace, fontsDir, fontCacheDir } = context;
  await mkdir(fontCacheDir, { recursive: true });
  // A folder of a fixed name, because the real path would have to be escaped twice over inside a filter.
  const folder = workspace.path(FONTS_FOLDER);
  if (fonts.length === 0) await symlink(fontsDir, folder, 'dir');
  else await collectFonts(fonts, folder, context);
  const file = workspace.path('fonts.conf');
  await writeFile(file, fontconfig([fontsDir, ...SYSTEM_FONTS], fontCacheDir));
  return { FONTCONFIG_FILE: file };
}

/** The job's own fonts beside links to the worker's. libass reads the folder itself; fontconfig would cache every task's anew. */
async function collectFonts(fonts: readonly OpenInput[], folder: string, { fontsDir, signal }: FontContext): Promise<void> {
  const totalBytes = fonts.reduce((sum, font) => sum + font.totalBytes, 0);
  const large = fonts.find((font) => font.totalBytes > MAX_FONT_BYTES);
  if (large !== undefined)
    throw new MillraceError('TOO_LARGE', `${large.label} has ${large.totalBytes} bytes; a font may have ${MAX_FONT_BYTES}.`);
  if (totalBytes > MAX_FONTS_BYTES)
    throw new MillraceError('TOO_LARGE', `The fonts have ${totalBytes} bytes; ${MAX_FONTS_BYTES} are allowed.`);
  await mkdir(folder);
  for (const [index, font] of fonts.entries()) {
    const fetched = join(folder, `job_${index}`);
    await pipeline(font.stream(), createWriteStream(fetched), { signal });
    const ending = SIGNATURES[await firstBytes(fetched)];
    if (ending === undefined) throw new MillraceError('INPUT_INVALID', `${font.label} is no TrueType or OpenType font.`);
    await rename(fetched, `${fetched}.${ending}`);
  }
  const own = (await readdir(fontsDir)).filter((name) => /\.(ttf|otf|ttc)$/i.test(name)).slice(0, MAX_WORKER_FONTS);
  for (const [index, name] of own.entries()) await symlink(join(fontsDir, name), join(folder, `worker_${index}${extname(name)}`));
}

async function firstBytes(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead).toString('hex');
  } finally {
    await handle.close();
  }
}

function fontconfig(directories: readonly string[], cacheDir: string): string {
  const aliases = ['sans-serif', 'serif', 'monospace'].map((family, index) => {
    const preferred = ['DejaVu Sans', 'DejaVu Serif', 'DejaVu Sans Mono'][index];
    return `<alias><family>${family}</family><prefer><family>${preferred}</family></prefer></alias>`;
  });
  return [
    '<?xml version="1.0"?>',
    '<!DOCTYPE fontconfig SYSTEM "fonts.dtd">',
    '<fontconfig>',
    ...directories.map((directory) => `<dir>${escapeXml(directory)}</dir>`),
    `<cachedir>${escapeXml(cacheDir)}</cachedir>`,
    ...aliases,
    '</fontconfig>',
    '',
  ].join('\n');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
