/**
 * Measures the worker against baselines taken in the same run:
 *
 *     node bench/bench.ts [trims] [cold-start] [chunks] [--quick] [--throttle] [--json FILE]
 *
 * All unless one is named. Needs ffmpeg, about 3 GB in the temporary folder (0.3 GB with --quick), and no network.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { type ChunksOptions, measureChunks } from './chunks.ts';
import { chunksTable } from './chunks-table.ts';
import { type ColdStartOptions, measureColdStart } from './cold-start.ts';
import { coldStartTable, trimsTable } from './tables.ts';
import { measureTrims, type TrimsOptions } from './trims.ts';

const FULL_TRIMS: TrimsOptions = { masterMinutes: 120, segments: 100, naiveSegments: 5 };
const QUICK_TRIMS: TrimsOptions = { masterMinutes: 10, segments: 10, naiveSegments: 2 };
const FULL_COLD_START: ColdStartOptions = { rounds: 9 };
const QUICK_COLD_START: ColdStartOptions = { rounds: 1 };
const FULL_CHUNKS: ChunksOptions = { sourceSeconds: 90, chunkSeconds: 15, simulatedSeconds: 7200 };
const QUICK_CHUNKS: ChunksOptions = { sourceSeconds: 16, chunkSeconds: 4, simulatedSeconds: 7200 };
/** A bucket in the same region, roughly. */
const THROTTLE = { bitsPerSecond: 1e9, latencyMs: 20 };

const MEASUREMENTS = ['trims', 'cold-start', 'chunks'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' }, throttle: { type: 'boolean' }, json: { type: 'string' } },
});
const unknown = positionals.find((name) => !MEASUREMENTS.includes(name));
if (unknown !== undefined) throw new Error(`There is no measurement ${unknown}; there are ${MEASUREMENTS.join(', ')}.`);
const isWanted = (name: string) => positionals.length === 0 || positionals.includes(name);

const machine = {
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  // What else runs takes from every figure.
  loadBefore: loadavg()[0],
};
print([`${machine.platform}, ${machine.cores} cores, node ${machine.node}, load ${machine.loadBefore?.toFixed(2)} before`]);

const coldStart = isWanted('cold-start') ? await measureColdStart(values.quick ? QUICK_COLD_START : FULL_COLD_START) : undefined;
if (coldStart !== undefined) print(['', ...coldStartTable(coldStart)]);
const trims = isWanted('trims')
  ? await measureTrims({ ...(values.quick ? QUICK_TRIMS : FULL_TRIMS), ...(values.throttle ? { throttle: THROTTLE } : {}) })
  : undefined;
if (trims !== undefined) print(['', ...trimsTable(trims)]);
const chunks = isWanted('chunks') ? await measureChunks(values.quick ? QUICK_CHUNKS : FULL_CHUNKS) : undefined;
if (chunks !== undefined) print(['', ...chunksTable(chunks)]);
if (values.json !== undefined)
  await writeFile(values.json, `${JSON.stringify({ machine, coldStart, trims, chunks }, null, 2)}\n`);

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
