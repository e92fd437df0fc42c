/**
 * One measurement of planning in a process of its own, so that its memory is its own: `node planning-process.ts <segments> <first|again>`
 * prints one line of JSON.
 */
import { createHash } from 'node:crypto';
import { planJob } from '../pipeline/job-plan.ts';
import { createJobInMemory, JOB, segmentsOf } from './job-in-memory.ts';
import { withListedKeys } from './listed-store.ts';
import type { PlanningMeasured } from './planning.ts';

const [segments = 1, state = 'first'] = [Number(process.argv[2]), process.argv[3]];
const job = createJobInMemory();
job.submit(segmentsOf(segments));

const { source } = job;
const keys: string[] = [];
if (state === 'again') {
  const { layout } = source;
  const { dispatch } = (await planJob(source, JOB)).plan;
  const changed = dispatch.at(-1);
  // Its output is looked at: what is made of it now is not what was.
  if (changed !== undefined) job.finish(changed);
  for (const item of dispatch.slice(0, -1)) {
    keys.push(layout.stateKey('runs', JOB, item), layout.jobKey(JOB, item.outputKey), layout.resultKey(JOB, item, 'succeeded'));
  }
}
const listed = withListedKeys(source.store, keys, source.now());
const planner = { ...source, store: listed.store };
if (state === 'again') {
  const { dispatch } = (await planJob(planner, JOB)).plan;
  if (dispatch.length > 0) throw new Error('the job is not done');
  // What one changed entry sets off.
  job.submit([...segmentsOf(segments - 1), { start_sec: 1, duration_sec: 5 }]);
}
const processorBefore = process.cpuUsage();
const startedAtMs = performance.now();
const { plan } = await planJob(planner, JOB);
const endedAtMs = performance.now();
const processor = process.cpuUsage(processorBefore);
const expected = state === 'again' ? 1 : segments;
if (plan.dispatch.length !== expected) throw new Error(`${plan.dispatch.length} items to dispatch in place of ${expected}`);
// Before the baseline, which is a process's own otherwise.
const peakBytes = process.resourceUsage().maxRSS * 1024;
const measured: PlanningMeasured = {
  bareMs: parseAndHash(JSON.stringify(segmentsOf(segments))),
  listingMs: listed.lastListedAtMs() - startedAtMs,
  planningMs: endedAtMs - listed.lastListedAtMs(),
  processorMs: (processor.user + processor.system) / 1000,
  peakBytes,
};
process.stdout.write(`${JSON.stringify(measured)}\n`);

/** The least that anybody must do: read the list, and take a hash of every entry to know it again. In milliseconds. */
function parseAndHash(text: string): number {
  const beginMs = performance.now();
  const entries: unknown[] = JSON.parse(text);
  const hashes = new Set(entries.map((entry) => createHash('sha256').update(JSON.stringify(entry)).digest('hex')));
  if (hashes.size !== segments) throw new Error('entries that are alike');
  return performance.now() - beginMs;
}
