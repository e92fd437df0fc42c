import { defineConfig } from 'vitest/config';

/** While `npm test` records a run: what each test file logs, throws and answers, for the search for secrets at the end. */
const setupFiles = ['tests/integration/secrets/setup.ts'];

const project = (name: string, testTimeout: number) => ({
  test: { name, include: [`tests/${name}/**/*.test.ts`], testTimeout, hookTimeout: testTimeout, setupFiles },
});

export default defineConfig({
  test: {
    projects: [project('unit', 10_000), project('integration', 120_000), project('conformance', 120_000)],
  },
});
