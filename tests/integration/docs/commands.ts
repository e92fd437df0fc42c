/** The command lines of the Markdown pages, one each, and what a suite can do with them. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { codeBlocksOf } from './code-blocks.ts';

export interface DocumentedCommand {
  readonly page: string;
  /** As it stands there; lines that end in a backslash are joined. */
  readonly line: string;
  /** The first word that is no setting: `NAME=value` before it goes into its environment. */
  readonly program: string;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The README, everything in docs/, and the README of every folder of infra/. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...readdirSync(`${ROOT}infra`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('README.md'))
    .map((name) => `infra/${name}`),
].sort();

/** Of every block that is marked as `sh`. */
export function commandsOf(page: string): DocumentedCommand[] {
  const scripts = codeBlocksOf(page).filter(({ info }) => info === 'sh');
  return scripts.flatMap(({ text }) => linesOf(text).map((line) => ({ page, line, program: programOf(line) })));
}

function linesOf(script: string): string[] {
  const joined = script.replaceAll(/\\\n\s*/g, '');
  return joined
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const SETTING = /^[A-Z_][A-Z0-9_]*=("[^"]*"|'[^']*'|\S*)\s+/;

export function programOf(line: string): string {
  let rest = line.replace(/^sudo\s+/, '');
  while (SETTING.test(rest)) rest = rest.replace(SETTING, '');
  const isOurs = /^(npx millrace|node bin\/millrace\.mjs)\s/.test(rest);
  return isOurs ? 'millrace' : (/^\(?(\S+)/.exec(rest)?.[1] ?? '');
}

/** Blocks that do not say what they are, in which a line looks like a command: they should be marked as `sh`, or as `text` where it is output. */
export function unmarkedCommandsOf(page: string): string[] {
  const others = codeBlocksOf(page).filter(({ info }) => info === '');
  const lines = others.flatMap(({ text }) => text.split('\n'));
  return lines.filter((line) => /^(npx|npm|millrace|aws|docker|terraform|gcloud|wrangler|curl|export|sed)\s/.test(line));
}
