import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { createMasterCache, type MadeMaster, type MasterCache } from '../../../handlers/audio-master-cache.ts';

const never = new AbortController().signal;

describe('the cache of seekable masters', () => {
  let workDir: string;
  let cache: MasterCache;
  let makes: string[];

  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'millrace-masters-'));
    cache = createMasterCache({ workDir, maxBytes: 100 });
    makes = [];
  });
  afterEach(() => rm(workDir, { recursive: true, force: true }));

  async function made(name: string, bytes: number): Promise<MadeMaster> {
    makes.push(name);
    const file = join(workDir, `made-${makes.length}`);
    await writeFile(file, name.padEnd(bytes, '.'));
    return { file, facts: { sampleRate: 48_000, channels: 2, durationSeconds: bytes, pcm: undefined } };
  }
  const hold = (name: string, bytes = 40, signal = never) =>
    cache.hold({ identity: name, sizeBytes: bytes }, signal, () => made(name, bytes));
  const use = async (name: string, bytes?: number) => {
    const master = await hold(name, bytes);
    await master.release();
    return master;
  };
  const keptFiles = async () => {
    const [folder] = (await readdir(workDir)).filter((name) => name.startsWith('masters-'));
    return folder === undefined ? [] : readdir(join(workDir, folder));
  };

  it('makes a master once, for those who want it together and for those who come later', async () => {
    const together = await Promise.all([hold('a'), hold('a'), hold('a')]);
    for (const master of together) await master.release();
    const later = await hold('a');
    expect(makes).toEqual(['a']);
    expect(together.map(({ reused }) => reused)).toEqual([false, true, true]);
    expect(later).toMatchObject({ reused: true, facts: { durationSeconds: 40, pcm: undefined } });
    expect(await readFile(later.file, 'utf8')).toBe('a'.padEnd(40, '.'));
  });

  it('drops what was used longest ago, and its file', async () => {
    await use('a');
    await use('b');
    await use('a');
    await use('c');
    expect(await keptFiles()).toHaveLength(2);
    await use('a');
    await use('b');
    expect(makes).toEqual(['a', 'b', 'c', 'b']);
  });

  it('drops nothing that is being read, and lets go of what has no room', async () => {
    const a = await hold('a', 60);
    const b = await hold('b', 60);
    expect(await readFile(a.file, 'utf8')).toContain('a');
    expect(await readFile(b.file, 'utf8')).toContain('b');
    await b.release();
    await expect(readFile(b.file)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await keptFiles()).toHaveLength(1);
    await a.release();
    await use('b', 60);
    expect(await keptFiles()).toHaveLength(1);
    await expect(readFile(a.file)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('keeps nothing without an identity, and nothing that is larger than all its room', async () => {
    const unknown = () => cache.hold({ identity: undefined, sizeBytes: 1 }, never, () => made('x', 1));
    for (const master of [await unknown(), await unknown(), await hold('big', 101), await hold('big', 101)])
      await master.release();
    expect(makes).toEqual(['x', 'x', 'big', 'big']);
    expect((await readdir(workDir)).filter((name) => name.startsWith('made-'))).toEqual([]);
  });

  it('lets the next one make it where the first fails, and tells only the first', async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const { promise: broken, reject: breakIt } = Promise.withResolvers<never>();
    const first = cache.hold({ identity: 'a', sizeBytes: 1 }, never, () => {
      start();
      return broken;
    });
    await started;
    const second = hold('a');
    breakIt(new MillraceError('CANCELLED', 'stopped'));
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await second).toMatchObject({ reused: false });
    expect(makes).toEqual(['a']);
  });

  it('stops waiting when its own task is stopped', async () => {
    const { promise: forever } = Promise.withResolvers<never>();
    cache.hold({ identity: 'a', sizeBytes: 1 }, never, () => forever).catch(() => undefined);
    const controller = new AbortController();
    const waiting = hold('a', 1, controller.signal);
    controller.abort(new MillraceError('TIME_LIMIT', 'too long'));
    await expect(waiting).rejects.toMatchObject({ code: 'TIME_LIMIT' });
    expect(makes).toEqual([]);
  });

  it('makes anew what somebody deleted from the disk', async () => {
    const { file } = await use('a');
    await rm(file);
    expect((await hold('a')).reused).toBe(false);
    expect(makes).toEqual(['a', 'a']);
  });

  it('is found without being made, by those who know what they look for', async () => {
    expect(await cache.find('a', never)).toBeUndefined();
    await use('a');
    expect(await cache.find('a', never)).toMatchObject({ reused: true });
    expect(await cache.find(undefined, never)).toBeUndefined();
    expect(makes).toEqual(['a']);
  });

  it('takes its files with it', async () => {
    await use('a');
    await cache.close();
    expect((await readdir(workDir)).filter((name) => name.startsWith('masters-'))).toEqual([]);
  });
});
