import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** The longest suites wait for leases, sweeps and servers that are away: two files at once leave two processors idle. */
const LEAST_WORKERS = 3;

/** While `npm test` records a run: what each test file logs, throws and answers, for the search for secrets at the end. */
const setupFiles = ['tests/integration/secrets/setup.ts'];

const project = (name: string, testTimeout: number) => ({
  test: { name, include: [`tests/${name}/**/*.test.ts`], testTimeout, hookTimeout: testTimeout, setupFiles },
});

export default defineConfig({
  test: {
    maxWorkers: Math.max(LEAST_WORKERS, availableParallelism()),
    projects: [
      project('unit', 10_000),
      project('integration', 120_000),
      project('conformance', 120_000),
      project('browser', 60_000),
    ],
  },
});
