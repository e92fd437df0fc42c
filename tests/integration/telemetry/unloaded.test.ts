import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = String(new URL('../../../', import.meta.url));

/** Every module that is loaded with the given ones, by its path in this repository. */
async function loadedWith(modules: readonly string[]): Promise<string[]> {
  const program = `
    import { registerHooks } from 'node:module';
    const urls = [];
    registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
    for (const name of ${JSON.stringify(modules)}) await import(new URL(name, ${JSON.stringify(ROOT)}));
    console.log(JSON.stringify(urls));
    process.exit(0);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { maxBuffer: 2 ** 24 });
  return (JSON.parse(stdout) as string[]).map((url) => url.replace(ROOT, '/'));
}

test('a worker and a consumer load nothing that only metrics or traces need', async () => {
  const urls = await loadedWith(['cli/worker-process.ts', 'cli/task-runner.ts', 'cli/consumer-process.ts']);
  expect(urls.filter((url) => url.endsWith('/trace.ts'))).toHaveLength(1);
  expect(urls.filter((url) => /prom-client|@opentelemetry|^\/telemetry\//.test(url))).toEqual([]);
});

test('the same way of looking finds them where they are loaded', async () => {
  const urls = await loadedWith(['telemetry/tracing.ts', 'telemetry/metrics.ts']);
  expect(urls.some((url) => url.includes('/@opentelemetry/'))).toBe(true);
  expect(urls.some((url) => url.includes('/prom-client/'))).toBe(true);
});
