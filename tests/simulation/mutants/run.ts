/**
 * `npm run simulate:mutants`: makes one mistake after the other in a copy of the sources, and lives through seeds until one of them
 * notices. A mistake that nobody notices is a hole in the simulation.
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runSeeds } from '../seed-pool.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { mutate } from './mutate.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** All that the simulation imports. */
const SOURCES = [
  'pipeline',
  'consumers',
  'manifests',
  'storage',
  'tests/simulation',
  'errors.ts',
  'log.ts',
  'trace.ts',
  'package.json',
];
const MAX_SEEDS = 500;
/** That a copy without a mistake lives through first: one that cannot even start would catch every mistake. */
const CONTROL_SEEDS = 20;
const MAX_PROCESSES = 16;
const MAX_SHOWN_CHARACTERS = 90;

interface Outcome {
  readonly mutant: Mutant;
  /** Undefined where no seed noticed. */
  readonly seed: number | undefined;
  readonly fault: string;
  readonly seconds: number;
}

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const mutants = MUTANTS.filter(({ name }) => values.only === undefined || name === values.only);
if (mutants.length === 0) {
  process.stderr.write(`--only: expected one of ${MUTANTS.map(({ name }) => `"${name}"`).join(', ')}\n`);
  process.exit(2);
}
// All at once and before anything runs: a mistake that cannot be made any more must not look like one that was caught.
for (const mutant of mutants) mutate(ROOT, mutant);

const control = await liveInCopy(CONTROL_SEEDS);
if (control.seed !== undefined) {
  process.stderr.write(
    `The copy has a fault without any mistake in it (seed ${control.seed}), so nothing can be learnt: ${control.fault}\n`,
  );
  process.exit(1);
}

const outcomes: Outcome[] = [];
const queue = mutants.values();
say('| mistake | in | caught at seed | because | seconds |');
say('| --- | --- | --- | --- | --- |');
await Promise.all(
  Array.from({ length: Math.min(MAX_PROCESSES, availableParallelism()) }, async () => {
    for (const mutant of queue) {
      const outcome = await hunt(mutant);
      outcomes.push(outcome);
      say(`| ${mutant.name} | ${mutant.file} | ${outcome.seed ?? 'NEVER'} | ${outcome.fault} | ${outcome.seconds.toFixed(1)} |`);
    }
  }),
);
const survivors = outcomes.filter(({ seed }) => seed === undefined);
say(`\n${outcomes.length} mistakes, ${outcomes.length - survivors.length} caught within ${MAX_SEEDS} seeds`);
if (survivors.length > 0) say(`not caught: ${survivors.map(({ mutant }) => mutant.name).join(', ')}`);
process.exitCode = survivors.length === 0 ? 0 : 1;

async function hunt(mutant: Mutant): Promise<Outcome> {
  const startedMs = performance.now();
  const noticed = await liveInCopy(MAX_SEEDS, mutant);
  return { mutant, ...noticed, seconds: (performance.now() - startedMs) / 1000 };
}

/** Lives through seeds in a copy of the sources, with a mistake in it where one is given, until the first fault. */
async function liveInCopy(seeds: number, mutant?: Mutant): Promise<Pick<Outcome, 'seed' | 'fault'>> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-mutant-'));
  let seed: number | undefined;
  let fault = '';
  try {
    for (const source of SOURCES) cpSync(join(ROOT, source), join(folder, source), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir');
    if (mutant !== undefined) writeFileSync(join(folder, mutant.file), mutate(folder, mutant));
    await runSeeds({
      runner: join(folder, 'tests', 'simulation', 'seed-runner.ts'),
      ...{ from: 1, seeds, processes: 1 },
      onEnd: (end) => {
        if (end.faults.length === 0) return true;
        seed = end.seed;
        fault = shown(end.faults[0] ?? '');
        return false;
      },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { seed, fault };
}

/** Hashes are cut, and what would break a table is left out. */
function shown(fault: string): string {
  const text = fault.replaceAll(/[0-9a-f]{32}/g, (hash) => hash.slice(0, 6)).replaceAll(/[|\n]/g, ' ');
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}
