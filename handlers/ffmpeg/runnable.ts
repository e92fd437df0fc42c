/** npm may unpack a binary without its run bit, or for its owner only. */
import { constants, rmSync } from 'node:fs';
import { access, chmod, copyFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type SetMode = (path: string, mode: number) => Promise<void>;

/** The file itself where it runs or can be made to; otherwise a private copy, kept until this process ends. */
export async function runnable(path: string, setMode: SetMode = chmod): Promise<string> {
  if (await runs(path)) return path;
  try {
    await setMode(path, 0o755);
    if (await runs(path)) return path;
  } catch {
    // Another owner's file, or a file system that cannot be written.
  }
  const copy = copies.get(path) ?? privateCopy(path);
  copies.set(path, copy);
  return copy;
}

/** One for each file: they are large. */
const copies = new Map<string, Promise<string>>();

function runs(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function privateCopy(path: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-ffmpeg-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const copy = join(directory, 'program');
  await copyFile(path, copy);
  await chmod(copy, 0o700);
  return copy;
}
