import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runTool } from '../../../../handlers/ffmpeg/run.ts';
import { runnable } from '../../../../handlers/ffmpeg/runnable.ts';

describe('runnable', () => {
  let directory: string;
  let program: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-runnable-'));
    program = join(directory, 'program');
    await writeFile(program, '#!/bin/sh\necho it runs\n', { mode: 0o644 });
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const output = async (file: string) => {
    let text = '';
    const onStdout = (chunk: Buffer) => {
      text += chunk.toString();
    };
    await runTool({ file, args: [], signal: new AbortController().signal, onStdout });
    return text;
  };

  it('sets the run bit', async () => {
    expect(await runnable(program)).toBe(program);
    expect(await output(program)).toBe('it runs\n');
  });

  it('runs a private copy where the bit cannot be set, and makes one only', async () => {
    const refused = async () => {
      throw new Error('EPERM');
    };
    const copy = await runnable(program, refused);
    expect(copy).not.toBe(program);
    expect(await output(copy)).toBe('it runs\n');
    expect((await stat(copy)).mode & 0o777).toBe(0o700);
    expect(await runnable(program, refused)).toBe(copy);
    await rm(dirname(copy), { recursive: true });
  });
});
