/** Progress of one job, posted at most once per interval; of what comes faster only the newest is sent. */
import type { Progress } from '../handlers/task.ts';
import { postAboutJob, type WorkerLine } from './worker-line.ts';
import { resultUrl } from './worker-urls.ts';

export const PROGRESS_INTERVAL_MS = 5_000;
const PROGRESS_TIMEOUT_MS = 10_000;

export interface ProgressPosts {
  report(progress: Progress): void;
  /** Sends nothing more, and resolves when what was under way has ended: a post that arrived after the result would undo it. */
  close(): Promise<void>;
}

export function startProgressPosts(line: WorkerLine, jobId: string, intervalMs: number): ProgressPosts {
  const closing = new AbortController();
  const url = resultUrl(line.environment, jobId);
  let newest: Progress | undefined;
  let sending: Promise<void> | undefined;

  async function send(): Promise<void> {
    while (newest !== undefined && !closing.signal.aborted) {
      // Without a status the job would count as finished.
      const body = JSON.stringify({ status: 'IN_PROGRESS', output: newest });
      newest = undefined;
      // Not given up half way by `close`: an abandoned request may still arrive late.
      const outcome = await postAboutJob(line, url, jobId, { body, timeoutMs: PROGRESS_TIMEOUT_MS });
      const end = outcome.kind === 'answer' ? { status: outcome.status } : { reason: outcome.reason };
      line.log.debug({ requestId: jobId, ...end }, 'Progress was posted.');
      await line.pause(intervalMs, closing.signal);
    }
    sending = undefined;
  }

  return {
    report({ percent, speed }) {
      if (closing.signal.aborted) return;
      newest = { percent, ...(speed === undefined ? {} : { speed }) };
      sending ??= send();
    },
    async close() {
      closing.abort();
      await sending;
    },
  };
}
