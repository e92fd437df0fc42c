import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { StartOrder } from './tests/start-order.ts';

/** About half of the long suites wait for leases, sweeps and servers that are away: two files at once would leave two processors idle. */
const LEAST_WORKERS = 4;

/** While `npm test` records a run: what each test file logs, throws and answers, for the search for secrets at the end. */
const setupFiles = ['tests/integration/secrets/setup.ts'];

/** `isolate`: whether each file has a process of its own. Starting it is most of what a small one takes. */
const project = (name: string, testTimeout: number, isolate: boolean) => ({
  test: { name, include: [`tests/${name}/**/*.test.ts`], testTimeout, hookTimeout: testTimeout, isolate, setupFiles },
});

/**
 * Test files and the processes that they start keep their compiled code where `millrace` keeps its own: starting is most of what many of
 * them do. Suites that give a process an environment of its own pass it on.
 */
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url));

export default defineConfig({
  test: {
    maxWorkers: Math.max(LEAST_WORKERS, availableParallelism()),
    sequence: { sequencer: StartOrder },
    projects: [
      project('unit', 60_000, false),
      project('integration', 120_000, true),
      project('conformance', 120_000, true),
      project('browser', 60_000, true),
    ],
  },
});
