/** `node docs/write-readme-tables.ts`: writes the README's tables that are made from code, between their markers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { EXIT } from '../cli/exit-codes.ts';
import { VARIABLES } from '../config.ts';

export const README = new URL('../README.md', import.meta.url);

const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'all went well',
  failed: 'the work was done and something in it failed: an item, an output that was checked',
  usage: 'arguments that the command does not take',
  data: 'a document that is not what it should be',
  unavailable: 'the bucket, the queue or RunPod did not answer',
  internal: 'a defect of Millrace',
  config: 'the environment is not right; every wrong variable is named',
};

/** The README's text with its tables made anew. */
export function withTables(readme: string): string {
  return withTable(withTable(readme, 'environment', environmentTable()), 'exit-codes', exitCodeTable());
}

function withTable(readme: string, name: string, table: string): string {
  const between = new RegExp(`(<!-- ${name}:[^>]*-->\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!between.test(readme)) throw new Error(`the README has no markers for ${name}`);
  return readme.replace(between, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
}

function environmentTable(): string {
  const rows = Object.entries(VARIABLES).map(([name, variable]) => {
    const fallback = 'default' in variable && variable.default !== '' ? `\`${variable.default}\`` : '';
    return `| ${variable.group} | \`${name}\` | ${fallback} | ${variable.about} |`;
  });
  return ['| for | variable | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function exitCodeTable(): string {
  const rows = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${EXIT_MEANINGS[name as keyof typeof EXIT]} |`);
  return ['| code | meaning |', '| --- | --- |', ...rows].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(README, withTables(readFileSync(README, 'utf8')));
