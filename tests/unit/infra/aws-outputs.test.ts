import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VARIABLES } from '../../../config.ts';
import { DEFAULT_LAYOUT } from '../../../pipeline/layout.ts';

const read = (file: string) => readFileSync(new URL(`../../../infra/aws/${file}`, import.meta.url), 'utf8');
const NAME = /\b(?:MILLRACE|S3|VIDEOS|RUNPOD|AWS|HMAC)_[A-Z][A-Z_]*\b/g;

test('the Terraform for AWS hands over no variable that the environment does not know', () => {
  const [, map = ''] = /environment = \{\n([^}]*(?:\$\{[^}]*\}[^}]*)*)\n {2}\}/.exec(read('outputs.tf')) ?? [];
  const names = [...map.matchAll(/^ {4}([A-Z0-9_]+) +=/gm)].map(([, name]) => name);
  expect(names).toContain('MILLRACE_QUEUE_URL');
  expect(Object.keys(VARIABLES)).toEqual(expect.arrayContaining(names));
});

test.each(['README.md', '../README.md'])('infra/aws/%s names no variable that the environment does not know', (file) => {
  const names = new Set(read(file).match(NAME));
  expect(Object.keys(VARIABLES)).toEqual(expect.arrayContaining([...names]));
});

test("the Terraform for AWS notifies of the default jobs' prefix, with its slash, and of nothing that starts like it", () => {
  const [, pipelines] = /pipelines_prefix = "(.*)"/.exec(read('versions.tf')) ?? [];
  const [, state] = /state_prefix +\s*= "(.*)"/.exec(read('versions.tf')) ?? [];
  expect(pipelines).toBe(`${DEFAULT_LAYOUT.pipelinesPrefix}/`);
  expect(state).toBe(`${DEFAULT_LAYOUT.statePrefix}/`);
  expect(read('bucket.tf')).toContain('filter_prefix = local.pipelines_prefix');
});
