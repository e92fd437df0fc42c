/** Makes a mistake in the text of a file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutant } from './mutants.ts';

/** The file's text with the mistake in it. Throws where the code no longer says what the mistake changes, and once only. */
export function mutate(root: string, { name, file, edits }: Mutant): string {
  let text = readFileSync(join(root, file), 'utf8');
  for (const { find, replace } of edits) {
    const places = text.split(find).length - 1;
    if (places !== 1)
      throw new Error(`${name}: expected one place in ${file} that says ${JSON.stringify(find)}, found ${places}`);
    text = text.replace(find, () => replace);
  }
  return text;
}
