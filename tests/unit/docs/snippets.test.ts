/** Every block of the README, of docs/ and of infra/ is something that a test runs or checks, and JSON is what its fence says. */
import { describe, expect, it } from 'vitest';
import { VARIABLES } from '../../../config.ts';
import { parseJson } from '../../../manifests/parse.ts';
import { codeBlocksOf } from '../../integration/docs/code-blocks.ts';
import { PAGES } from '../../integration/docs/commands.ts';
import { faultsOf, faultsOfBlock, jsonBlocksOf } from './json-kinds.ts';

/** Its blocks are written into a bucket as they stand, by tests/integration/docs/cookbook.test.ts: there they must do what the page says. */
const RUN_BY_A_TEST = new Set(['docs/cookbook.md']);

/** `sh`: tests/integration/docs/commands.test.ts; the settings of Prometheus: tests/unit/infra/monitoring.test.ts; `text` is output. */
const CHECKED = /^(?:|sh|text|json(?: .+)?|yaml prometheus\.yml)$/;

describe.each(PAGES)('%s', (page) => {
  const blocks = codeBlocksOf(page);
  const json = jsonBlocksOf(page);
  const unmarked = blocks.filter(({ info }) => info === '').flatMap(({ text }) => text.split('\n'));

  it('has no block of a language that no test reads', () => {
    expect(blocks.map(({ info }) => info).filter((info) => !CHECKED.test(info))).toEqual([]);
  });

  it('marks all JSON as JSON', () => {
    expect(unmarked.filter((line) => /^\s*(?:[[{]|"[^"]*"\s*:)/.test(line))).toEqual([]);
    expect(blocks.filter(({ info, text }) => info === 'text' && parseJson(text).ok)).toEqual([]);
  });

  it('shows JSON that is right', async () => {
    const faults: string[] = [];
    for (const [index, block] of json.entries()) {
      const above = json.slice(0, index).reverse();
      const found =
        RUN_BY_A_TEST.has(page) && block.name !== '' ? faultsOf(parseJson(block.text)) : await faultsOfBlock(block, above);
      faults.push(...found.map((fault) => `\`${block.info}\` under "${block.heading}": ${fault}`));
    }
    expect(faults, faults.join('\n')).toEqual([]);
  });

  it('sets no variable that the environment does not know', () => {
    const names = unmarked.flatMap((line) => /^([A-Z][A-Z0-9_]*)=/.exec(line)?.[1] ?? []);
    expect(names.filter((name) => !Object.hasOwn(VARIABLES, name))).toEqual([]);
  });
});
