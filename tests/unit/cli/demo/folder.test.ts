import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { prepareFolder } from '../../../../cli/demo/folder.ts';
import { writeLocalEnvironment } from '../../../../cli/local-environment.ts';

describe('prepareFolder', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'millrace-demo-folder-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  test('makes a folder with the ones above it, and takes an empty one', async () => {
    await prepareFolder(join(root, 'a', 'demo'));
    await mkdir(join(root, 'empty'));
    await prepareFolder(join(root, 'empty'));

    expect(await readdir(join(root, 'a', 'demo'))).toEqual(await readdir(join(root, 'empty')));
  });

  test('removes what an earlier demo left', async () => {
    const folder = join(root, 'demo');
    await prepareFolder(folder);
    await writeFile(join(folder, 'old.mp4'), 'old');

    await prepareFolder(folder);

    expect(await readdir(folder)).not.toContain('old.mp4');
  });

  test('touches nothing in a folder that no demo made', async () => {
    await writeFile(join(root, 'thesis.txt'), 'mine');

    await expect(prepareFolder(root)).rejects.toMatchObject({ code: 'USAGE' });

    expect(await readFile(join(root, 'thesis.txt'), 'utf8')).toBe('mine');
  });

  test('refuses a file, and a folder in which a demo is running', async () => {
    const file = join(root, 'file');
    await writeFile(file, '');
    const folder = join(root, 'demo');
    await prepareFolder(folder);
    await writeLocalEnvironment(folder, {});

    await expect(prepareFolder(file)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(prepareFolder(folder)).rejects.toThrow('a demo is running');
  });
});
