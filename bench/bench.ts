/**
 * Measures Millrace against baselines taken in the same run:
 *
 *     node bench/bench.ts [name…] [--quick] [--json FILE] [--docs]
 *
 * All measurements unless some are named. --docs writes the tables and the chart of docs/performance.md, and wants all of them. Needs
 * ffmpeg, about 3 GB in the temporary folder (0.3 GB with --quick), and no network.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { locate } from '../handlers/ffmpeg/locate.ts';
import { chunks } from './chunks.ts';
import { coldStart } from './cold-start.ts';
import { dispatch } from './dispatch.ts';
import { downsampling } from './downsampling.ts';
import { goalsTable } from './goals-table.ts';
import { type Outcome, type RunnableBench, runnable } from './measurement.ts';
import { writePerformancePage } from './performance-page.ts';
import { planning } from './planning.ts';
import { storeRequests } from './store-requests.ts';
import { trims } from './trims-bench.ts';

const BENCHES: readonly RunnableBench[] = [
  runnable(coldStart),
  runnable(planning),
  runnable(storeRequests),
  runnable(dispatch),
  runnable(downsampling),
  runnable(chunks),
  runnable(trims),
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' }, json: { type: 'string' }, docs: { type: 'boolean' } },
});
const unknown = positionals.find((name) => !BENCHES.some((bench) => bench.name === name));
const names = BENCHES.map(({ name }) => name).join(', ');
if (unknown !== undefined) throw new Error(`There is no measurement ${unknown}; there are ${names}.`);
if (values.docs === true && (positionals.length > 0 || values.quick === true)) {
  throw new Error('--docs writes the whole page: leave out the names and --quick.');
}

const machine = {
  node: process.version,
  ffmpeg: (await locate()).version,
  platform: `${process.platform} ${process.arch}`,
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  // What else runs takes from every figure.
  loadBefore: loadavg()[0] ?? 0,
};
const described = [
  `${machine.platform}, ${machine.cores} cores (${machine.processor}), ${(machine.memoryBytes / 1e9).toFixed(0)} GB of memory,`,
  `Node ${machine.node}, ffmpeg ${machine.ffmpeg}; load ${machine.loadBefore.toFixed(2)} before the first measurement.`,
];
print(described);

const outcomes: Outcome[] = [];
for (const bench of BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
  const outcome = await bench.run(values.quick === true);
  print(['', `${outcome.name} (${outcome.seconds.toFixed(0)} s)`, ...outcome.table]);
  outcomes.push(outcome);
}
// What a small shape takes says nothing about the goals.
if (values.quick !== true) print(['', ...goalsTable(outcomes.flatMap(({ goals }) => goals))]);
if (values.json !== undefined) {
  const measured = { machine, quick: values.quick === true, outcomes: outcomes.map(({ table: _, ...outcome }) => outcome) };
  await writeFile(values.json, `${JSON.stringify(measured, null, 2)}\n`);
}
if (values.docs === true) await writePerformancePage(described, outcomes);

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
