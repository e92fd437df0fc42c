/** The search for secrets at the end of a run, searched itself: a leak in each way must be found, and named without being repeated. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startProcess } from '../runpod/processes.ts';

const RECORDER = new URL('./recorder-process.ts', import.meta.url);
const REPORT = fileURLToPath(new URL('./report-process.ts', import.meta.url));
const FIXTURE = fileURLToPath(new URL('./fixture-leak.ts', import.meta.url));
/** As long as a real one, and nobody's. */
const SIGNATURE = '0f1e2d3c4b5a69788796a5b4c3d2e1f0'.repeat(2);

describe('a recorded process', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-records-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function reportAfter(leak: string) {
    const records = await mkdtemp(join(directory, `${leak}-`));
    const env = { NODE_OPTIONS: `--import=${RECORDER}`, TEST_RECORDS: records };
    const fixture = await startProcess(FIXTURE, [leak, SIGNATURE], env).exited;
    expect(fixture).toMatchObject({ code: 0 });
    return startProcess(REPORT, [records, '--whole']).exited;
  }

  test('that leaks nothing passes, and its lines and secrets are counted', async () => {
    const { code, stdout, stderr } = await reportAfter('none');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^secrets: \d+ lines of 1 processes searched for 1 secrets, 0 found\n$/);
  });

  test.each([
    ['log', 'stderr'],
    ['stdout', 'stdout'],
    ['result', 'body'],
    ['child', 'stderr'],
  ])('that leaks a signature (%s) fails, and it is said where: in %s', async (leak, kind) => {
    const { code, stdout } = await reportAfter(leak);
    expect(code).toBe(1);
    expect(stdout).toContain(`a signature that was used, in ${kind} of`);
    expect(stdout).toContain('‹secret›');
    expect(stdout.replace(FIXTURE, '')).not.toContain(SIGNATURE.slice(0, 20));
  });

  test('of which there is no record fails a whole run', async () => {
    const empty = await mkdtemp(join(directory, 'empty-'));
    expect(await startProcess(REPORT, [empty, '--whole']).exited).toMatchObject({ code: 1 });
    expect(await startProcess(REPORT, [empty]).exited).toMatchObject({ code: 0 });
  });
});
