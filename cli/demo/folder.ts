/** The demo's own folder: emptied at each start, and therefore never one that somebody else made. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../errors.ts';
import { isSystemError } from '../../handlers/retry.ts';
import { chooseEnvironment } from '../local-environment.ts';

/** Says that a folder is a demo's. */
const MARKER = 'made-by-millrace-demo.txt';
const MARKER_TEXT = 'millrace demo made this folder, and removes it with everything in it when it runs here again.\n';

/** Makes `folder` anew. Throws USAGE where it holds what no demo made, or a demo runs in it. */
export async function prepareFolder(folder: string): Promise<void> {
  const names = await namesIn(folder);
  if (names.length > 0 && !names.includes(MARKER)) {
    throw new MillraceError('USAGE', `${folder} is there already, and no demo made it`, {
      fix: 'Name another folder with --data, or an empty one: the demo removes what an earlier demo left there.',
    });
  }
  if (chooseEnvironment({}, folder).local !== undefined) {
    throw new MillraceError('USAGE', `a demo is running in ${folder}`, { fix: 'Stop it, or name another folder with --data.' });
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, MARKER), MARKER_TEXT);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT')) return [];
    throw new MillraceError('USAGE', `${folder} cannot be used as a folder`, { cause, fix: 'Name another one with --data.' });
  }
}
