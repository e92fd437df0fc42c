import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseEnvironment, removeLocalEnvironment, writeLocalEnvironment } from '../../../cli/local-environment.ts';

/** Above every system's highest process id. */
const NOBODY = 2 ** 30;

describe('the environment of a command', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'millrace-environment-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  it('is that of the running millrace dev, with the rest kept', async () => {
    await writeLocalEnvironment(dataDir, { S3_ENDPOINT_URL: 'http://127.0.0.1:1' });
    const chosen = chooseEnvironment({ MILLRACE_LOG_LEVEL: 'debug', VIDEOS_BUCKET: ' ' }, dataDir);
    expect(chosen).toEqual({
      env: { MILLRACE_LOG_LEVEL: 'debug', VIDEOS_BUCKET: ' ', S3_ENDPOINT_URL: 'http://127.0.0.1:1' },
      local: dataDir,
    });
  });

  it.each([{ VIDEOS_BUCKET: 's3://mine' }, { S3_ENDPOINT_URL: 'https://s3.example.com' }])(
    'is its own where it names a deployment: %o',
    async (env) => {
      await writeLocalEnvironment(dataDir, { S3_ENDPOINT_URL: 'http://127.0.0.1:1' });
      expect(chooseEnvironment(env, dataDir)).toEqual({ env });
    },
  );

  it.each([
    { what: 'there is none', text: undefined },
    { what: 'its process is gone', text: JSON.stringify({ pid: NOBODY, environment: { A: 'b' } }) },
    { what: 'the file is cut off', text: '{"pid": 1' },
    { what: 'the file is none of ours', text: '{"hello": "world"}' },
  ])('is its own where no millrace dev runs: $what', async ({ text }) => {
    if (text !== undefined) await writeFile(join(dataDir, 'dev.json'), text);
    expect(chooseEnvironment({ A: 'mine' }, dataDir)).toEqual({ env: { A: 'mine' } });
  });

  it('is written for nobody but its owner, whole or not at all, and removed without a trace', async () => {
    await writeLocalEnvironment(dataDir, { HMAC_SECRET: 's' });
    expect(await readdir(dataDir)).toEqual(['dev.json']);
    expect((await stat(join(dataDir, 'dev.json'))).mode & 0o777).toBe(0o600);
    removeLocalEnvironment(dataDir);
    removeLocalEnvironment(dataDir);
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('is not removed by another process, such as a second millrace dev that could not start', async () => {
    await writeFile(join(dataDir, 'dev.json'), JSON.stringify({ pid: process.ppid, environment: { A: 'theirs' } }));
    removeLocalEnvironment(dataDir);
    expect(chooseEnvironment({}, dataDir)).toEqual({ env: { A: 'theirs' }, local: dataDir });
  });
});
