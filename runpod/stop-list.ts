/** Which jobs RunPod wants stopped: a long poll of its own, beside the one that takes jobs. */
import { z } from 'zod';
import { parseJsonText } from './json-text.ts';
import { backOffMs } from './pause.ts';
import { longPoll, type WorkerLine } from './worker-line.ts';
import { stopListUrl } from './worker-urls.ts';

const StopList = z.object({ jobsToStop: z.array(z.string()) });

/** Under answers that come at once: one poll a second at most. */
const MIN_POLL_INTERVAL_MS = 1_000;
const BACK_OFF = { firstMs: 1_000, mostMs: 60_000 };

/** Calls `stop` with the ids of jobs to stop, until `signal` aborts. Never rejects. */
export async function watchStopList(
  line: WorkerLine,
  stop: (jobIds: readonly string[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const url = stopListUrl(line.environment);
  if (url === undefined) {
    line.log.warn('The take URL names no job-take: jobs cannot be stopped one by one.');
    return;
  }
  let failures = 0;
  while (!signal.aborted) {
    const startedMs = line.now();
    const outcome = await longPoll(line, url, signal);
    if (signal.aborted) return;
    const quiet = outcome.kind === 'no-answer' && outcome.reason === 'no answer in time';
    const succeeded = quiet || (outcome.kind === 'answer' && (outcome.status === 200 || outcome.status === 204));
    failures = succeeded ? 0 : failures + 1;
    if (outcome.kind === 'answer' && outcome.status === 200) {
      const list = StopList.safeParse(parseJsonText(outcome.text));
      if (list.success) stop(list.data.jobsToStop);
    }
    if (failures === 1) {
      const why = outcome.kind === 'answer' ? { status: outcome.status } : { reason: outcome.reason };
      line.log.warn(why, 'The list of jobs to stop cannot be read.');
    }
    const floorMs = MIN_POLL_INTERVAL_MS - (line.now() - startedMs);
    const waitMs = failures > 0 ? backOffMs(BACK_OFF, failures, line.random) : floorMs;
    if (waitMs > 0) await line.pause(waitMs, signal);
  }
}
