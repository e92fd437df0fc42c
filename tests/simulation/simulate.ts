/** `npm run simulate`: lives through many seeds, or tells the story of one. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runSeeds } from './seed-pool.ts';
import { MINUTE_MS } from './settings.ts';
import { tellStory } from './story.ts';

const DEFAULT_SEEDS = 200;
const MAX_PROCESSES = 16;
/** Faults that are printed whole. */
const MAX_SHOWN = 10;
const RUNNER = fileURLToPath(new URL('seed-runner.ts', import.meta.url));

const { values } = parseArgs({
  options: { seeds: { type: 'string' }, from: { type: 'string' }, seed: { type: 'string' } },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (values.seed !== undefined) await tell(wholeNumber('seed', values.seed));
else await runMany(wholeNumber('from', values.from ?? '1'), wholeNumber('seeds', values.seeds ?? String(DEFAULT_SEEDS)));

async function tell(seed: number): Promise<void> {
  const { story, faults } = await tellStory(seed);
  for (const line of story) say(line);
  for (const fault of faults) say(`FAULT: ${fault}`);
  say(`seed ${seed}: ${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function runMany(from: number, seeds: number): Promise<void> {
  const startedMs = performance.now();
  const failed: number[] = [];
  const restsMs: number[] = [];
  let steps = 0;
  await runSeeds({
    ...{ runner: RUNNER, from, seeds, processes: Math.min(MAX_PROCESSES, availableParallelism()) },
    onEnd: (end) => {
      steps += end.steps;
      restsMs.push(end.settledAfterMs);
      if (end.faults.length > 0) {
        failed.push(end.seed);
        if (failed.length <= MAX_SHOWN) say(`seed ${end.seed}: ${end.faults.join('; ')}`);
      }
      return true;
    },
  });
  restsMs.sort((a, b) => a - b);
  const minutes = (share: number): number => Math.round((restsMs[Math.floor((restsMs.length - 1) * share)] ?? 0) / MINUTE_MS);
  say(`${seeds} seeds (${from} to ${from + seeds - 1}) in ${Math.round((performance.now() - startedMs) / 1000)} s`);
  say(
    `${Math.round(steps / seeds)} steps a world; at rest ${minutes(0.5)} minutes after the last trouble (median), ${minutes(1)} at most`,
  );
  say(failed.length === 0 ? '0 failed' : `${failed.length} failed: ${failed.sort((a, b) => a - b).join(' ')}`);
  if (failed[0] !== undefined) say(`npm run simulate -- --seed ${failed[0]} tells its story`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function wholeNumber(name: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  process.stderr.write(`--${name}: expected a whole number from 1, found ${JSON.stringify(text)}\n`);
  process.exit(2);
}
