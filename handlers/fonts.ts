/** The fonts that subtitles are drawn with. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FONTS_FOLDER } from './ffmpeg/arguments/encode.ts';
import type { TaskContext } from './task-context.ts';

const require = createRequire(import.meta.url);

/** The folder of the DejaVu fonts that come with the npm package, so that machines without fonts draw text. */
export function dejavuFontsDir(): string {
  return join(dirname(require.resolve('dejavu-fonts-ttf/package.json')), 'ttf');
}

const SYSTEM_FONTS = ['/usr/share/fonts', '/usr/local/share/fonts'];

/**
 * Fonts for libass, and the environment that makes it find them. A style may name a font that is not here: without a fontconfig
 * file (static builds have none) that text would not be drawn at all.
 */
export async function prepareFonts({ workspace, fontsDir, fontCacheDir }: TaskContext): Promise<Record<string, string>> {
  await mkdir(fontCacheDir, { recursive: true });
  // A link of a fixed name, because the real path would have to be escaped twice over inside a filter.
  await symlink(fontsDir, workspace.path(FONTS_FOLDER), 'dir');
  const file = workspace.path('fonts.conf');
  await writeFile(file, fontconfig([fontsDir, ...SYSTEM_FONTS], fontCacheDir));
  return { FONTCONFIG_FILE: file };
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
