/**
 * One measurement of planning in a process of its own, so that its memory is its own: `node planning-process.ts <segments> <first|again>`
 * prints one line of JSON.
 */
import { createHash } from 'node:crypto';
import { planJob } from '../pipeline/job-plan.ts';
import { createJobInMemory, JOB, segmentsOf } from './job-in-memory.ts';
import type { PlanningMeasured } from './planning.ts';

const [segments = 1, state = 'first'] = [Number(process.argv[2]), process.argv[3]];
const job = createJobInMemory();
job.submit(segmentsOf(segments));
const bareMs = parseAndHash(JSON.stringify(segmentsOf(segments)));

if (state === 'again') {
  const { plan } = await planJob(job.source, JOB);
  job.passTime(1000);
  for (const item of plan.dispatch) job.finish(item);
  await planJob(job.source, JOB);
  // What one changed entry sets off.
  job.submit([...segmentsOf(segments - 1), { start_sec: 1, duration_sec: 5 }]);
}
const processorBefore = process.cpuUsage();
const startedAtMs = performance.now();
const { plan } = await planJob(job.source, JOB);
const endedAtMs = performance.now();
const processor = process.cpuUsage(processorBefore);
const expected = state === 'again' ? 1 : segments;
if (plan.dispatch.length !== expected) throw new Error(`${plan.dispatch.length} items to dispatch in place of ${expected}`);
const measured: PlanningMeasured = {
  bareMs,
  listingMs: job.lastListedAtMs() - startedAtMs,
  planningMs: endedAtMs - job.lastListedAtMs(),
  processorMs: (processor.user + processor.system) / 1000,
  peakBytes: process.resourceUsage().maxRSS * 1024,
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
