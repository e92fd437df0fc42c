import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OWNER_TAG, removeLeftovers } from '../../../handlers/leftovers.ts';
import { createWorkspace } from '../../../handlers/workspace.ts';
import { silentLogger } from '../../../log.ts';

let workDir: string;
beforeEach(async () => {
  workDir = await mkdtemp(join(tmpdir(), 'millrace-workspace-'));
});
afterEach(() => rm(workDir, { recursive: true, force: true }));

describe('a workspace', () => {
  it('is readable by its owner only', async () => {
    const { directory } = await createWorkspace({ workDir, quotaBytes: 10 });
    expect((await stat(directory)).mode & 0o077).toBe(0);
  });

  it('tells by itself when its files outgrow the quota, sub-folders included', async () => {
    const workspace = await createWorkspace({ workDir, quotaBytes: 1000 });
    await writeFile(workspace.path('a'), Buffer.alloc(600));
    await mkdir(workspace.path('folder'));
    const full = once(workspace.full, 'abort');
    await writeFile(join(workspace.path('folder'), 'b'), Buffer.alloc(401));
    await full;
    expect(workspace.full.reason).toMatchObject({ code: 'DISK_FULL', retryable: false, context: { quotaBytes: 1000 } });
    await workspace.remove();
  });

  it('takes exactly its quota, and does not count what a link points to', async () => {
    const workspace = await createWorkspace({ workDir, quotaBytes: 1000 });
    await writeFile(workspace.path('a'), Buffer.alloc(1000));
    const outside = join(workDir, 'outside');
    await writeFile(outside, Buffer.alloc(5000));
    await symlink(outside, workspace.path('link'));
    await workspace.check();
    await writeFile(workspace.path('b'), 'x');
    await expect(workspace.check()).rejects.toMatchObject({ code: 'DISK_FULL' });
    await workspace.remove();
    expect(await readdir(workDir)).toEqual(['outside']);
  });
});

describe('removeLeftovers', () => {
  const [host = ''] = OWNER_TAG.split('.');
  const old = new Date(Date.now() - 9 * 24 * 3600 * 1000);

  async function folder(name: string): Promise<string> {
    const path = join(workDir, name);
    await mkdir(path);
    await writeFile(join(path, 'file'), 'x');
    return path;
  }

  it('removes the folders of processes that are gone, and of an earlier process with the same id', async () => {
    const child = spawn(process.execPath, ['-e', '0']);
    await once(child, 'exit');
    await folder(`task-${host}.${child.pid}.0-abc`);
    await folder(`masters-${host}.${process.pid}.1-abc`);
    const { directory } = await createWorkspace({ workDir, quotaBytes: 1 });
    await removeLeftovers(workDir, silentLogger, Date.now());
    expect((await readdir(workDir)).map((name) => join(workDir, name))).toEqual([directory]);
  });

  it("leaves alone what is another host's and not old, and what is not a worker's", async () => {
    await folder('task-elsewhere.1.1-abc');
    await utimes(await folder('task-elsewhere.2.1-abc'), old, old);
    await utimes(await folder('task-force'), old, old);
    await folder('font-cache');
    await removeLeftovers(workDir, silentLogger, Date.now());
    expect((await readdir(workDir)).sort()).toEqual(['font-cache', 'task-elsewhere.1.1-abc', 'task-force']);
  });

  it('removes what a worker left that was killed at its work', async () => {
    const module = fileURLToPath(new URL('../../../handlers/workspace.ts', import.meta.url));
    const make = `const { createWorkspace } = await import(${JSON.stringify(module)});
      const workspace = await createWorkspace({ workDir: ${JSON.stringify(workDir)}, quotaBytes: 1 });
      console.log(workspace.directory); setInterval(() => 0, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', make], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    await removeLeftovers(workDir, silentLogger, Date.now());
    expect(await readdir(workDir)).toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await removeLeftovers(workDir, silentLogger, Date.now());
    expect(await readdir(workDir)).toEqual([]);
  });

  it('has nothing to do where the folder is not there yet', async () => {
    await expect(removeLeftovers(join(workDir, 'none'), silentLogger, 0)).resolves.toBeUndefined();
  });
});
