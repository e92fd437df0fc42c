import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dejavuFontsDir, prepareFonts } from '../../../handlers/fonts.ts';
import type { OpenInput } from '../../../handlers/inputs/open-input.ts';
import { parseTask } from '../../../handlers/parse-task.ts';

const MEBIBYTE = 1024 * 1024;

describe('the fonts of a job', () => {
  let directory: string;
  let folders = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-fonts-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const font = (hex: string, totalBytes = hex.length / 2): OpenInput => ({
    ...{
      label: 's3://videos/../evil name.ttf',
      fileName: '../evil name.ttf',
      contentType: undefined,
      totalBytes,
      etag: undefined,
    },
    data: { file: '/nowhere' },
    stream: () => Readable.from([Buffer.from(hex, 'hex')], { objectMode: false }),
  });

  async function prepared(fonts: readonly OpenInput[]) {
    const root = await mkdtemp(join(directory, `${folders++}-`));
    const workspace = { path: (name: string) => join(root, name) };
    const signal = new AbortController().signal;
    const env = await prepareFonts(fonts, {
      workspace,
      signal,
      fontsDir: dejavuFontsDir(),
      fontCacheDir: join(directory, 'cache'),
    });
    return { env, names: await readdir(join(root, 'fonts')), root };
  }

  it('get names of ours, by what their first bytes say, beside the worker’s own', async () => {
    const { names, env, root } = await prepared(['0001000000', '4f54544f00', '7474636600', '7472756500'].map((hex) => font(hex)));
    expect(names.filter((name) => name.startsWith('job_'))).toEqual(['job_0.ttf', 'job_1.otf', 'job_2.ttc', 'job_3.ttf']);
    expect(names.filter((name) => name.startsWith('worker_')).length).toBeGreaterThan(5);
    expect(env).toEqual({ FONTCONFIG_FILE: join(root, 'fonts.conf') });
  });

  it('are the worker’s alone where the job brings none', async () => {
    const { root } = await prepared([]);
    expect(await realpath(join(root, 'fonts'))).toBe(await realpath(dejavuFontsDir()));
  });

  it.each([
    ['WOFF', font('774f464600'), 'INPUT_INVALID'],
    ['nothing', font(''), 'INPUT_INVALID'],
    ['33 MiB', font('00010000', 33 * MEBIBYTE), 'TOO_LARGE'],
  ])('are refused where one is %s', async (_what, input, code) => {
    await expect(prepared([font('00010000'), input])).rejects.toMatchObject({ code });
  });

  it('are refused where all together are too large', async () => {
    const fonts = Array.from({ length: 5 }, () => font('00010000', 30 * MEBIBYTE));
    await expect(prepared(fonts)).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });

  it('are at most 32, and URIs', () => {
    const encoding = (fonts_uris: unknown) => ({
      task: 'ENCODING',
      parameters: {
        ...{ id: 'v', language: 'en', input_video_uri: 's3://b/v.mp4', input_audio_uri: 's3://b/a.wav', fonts_uris },
        output_put_url: 'https://b.example/out.mp4',
      },
    });
    const uris = Array.from({ length: 32 }, (_, index) => `s3://b/fonts/${index}.ttf`);
    expect(parseTask(encoding(uris)).parameters).toMatchObject({ fonts_uris: uris });
    expect(() => parseTask(encoding([...uris, 's3://b/one-more.ttf']))).toThrow(
      expect.objectContaining({ code: 'PARAMETERS_INVALID' }),
    );
    expect(() => parseTask(encoding(['/etc/passwd']))).toThrow(expect.objectContaining({ code: 'PARAMETERS_INVALID' }));
  });
});
