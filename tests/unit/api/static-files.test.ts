import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readStaticFiles } from '../../../api/static-files.ts';

test('only files of known kinds in the folder are served, and no link out of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-static-'));
  await mkdir(join(folder, 'parts'));
  for (const name of ['index.html', 'parts/view.js', 'notes.ts', '.env']) await writeFile(join(folder, name), name);
  await symlink('/etc/hosts', join(folder, 'hosts.js'));

  const files = readStaticFiles(folder);

  expect([...files.keys()].sort()).toEqual(['/', '/index.html', '/parts/view.js']);
  expect(files.get('/parts/view.js')?.mediaType).toBe('text/javascript; charset=utf-8');
  await rm(folder, { recursive: true });
  expect(readStaticFiles(folder).size).toBe(0);
});
