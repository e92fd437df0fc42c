/** What is posted when a job ends, and the posting itself: it is repeated until RunPod has it. */
import { MillraceError, withoutSecrets } from '../errors.ts';
import type { TaskAnswer } from '../handlers/task.ts';
import type { Logger } from '../log.ts';
import { type BackOff, backOffMs } from './pause.ts';
import { postAboutJob, type WorkerLine } from './worker-line.ts';
import { resultUrl } from './worker-urls.ts';

/** How long an answer is tried for. What is lost after that is in the bucket all the same. */
export const ANSWER_BUDGET_MS = 600_000;
const ANSWER_TIMEOUT_MS = 60_000;
const ANSWER_BACK_OFF: BackOff = { firstMs: 500, mostMs: 30_000 };
const MAX_MESSAGE_CHARACTERS = 2_000;

/** Answers to a body that RunPod will not have, however often it is sent. */
const TOO_LARGE = new Set([400, 413]);
/** RunPod knows the job no more: cancelled, expired, or answered before by a post whose reply was lost. */
const GONE = new Set([404, 410]);

/** `gone`: RunPod no longer knows the job. `lost`: RunPod could not be made to take it. */
export type PostedAnswer = 'posted' | 'gone' | 'lost';

/**
 * The body of an answer. A failure's `error` is always a string: RunPod takes an object for no error at all and calls
 * the job COMPLETED. Inside the string is JSON (`code`, `message`, `retryable`, `fix?`).
 */
export function answerBody(answer: TaskAnswer, { stopPod = false }: { readonly stopPod?: boolean } = {}): string {
  const fresh = stopPod ? { stopPod: true } : {};
  if (answer.kind === 'succeeded') return JSON.stringify({ output: answer.output, ...fresh });
  const error = answer.kind === 'failed' ? answer.error : new MillraceError('CANCELLED', 'The work was stopped before its end.');
  return JSON.stringify({ error: errorText(error), ...fresh });
}

function errorText({ code, message, retryable, fix }: MillraceError): string {
  const safe = withoutSecrets(message).slice(0, MAX_MESSAGE_CHARACTERS);
  return JSON.stringify({ code, message: safe, retryable, ...(fix === undefined ? {} : { fix }) });
}

/** Posts an answer, again and again on network errors, 429 and 5xx. `signal` ends the trying. Never throws. */
export async function postAnswer(
  line: WorkerLine,
  jobId: string,
  answer: TaskAnswer,
  options: { readonly log: Logger; readonly signal: AbortSignal; readonly stopPod: boolean },
): Promise<PostedAnswer> {
  const { log, signal, stopPod } = options;
  const url = resultUrl(line.environment, jobId);
  const deadlineMs = line.now() + ANSWER_BUDGET_MS;
  let body = answerBody(answer, { stopPod });
  let shrunk = false;
  for (let failures = 0; ; ) {
    const outcome = await postAboutJob(line, url, jobId, { body, timeoutMs: ANSWER_TIMEOUT_MS, signal });
    if (outcome.kind === 'answer') {
      const { status } = outcome;
      if (status >= 200 && status < 300) return 'posted';
      if (GONE.has(status)) return 'gone';
      if (TOO_LARGE.has(status) && !shrunk) {
        log.error({ status, bytes: Buffer.byteLength(body) }, 'RunPod refused the answer; a short error is posted in its place.');
        body = answerBody({ kind: 'failed', error: refusedAnswer(status, body) }, { stopPod });
        shrunk = true;
        continue;
      }
      if (status !== 429 && status < 500) {
        log.error({ status }, 'RunPod refused the answer for good.');
        return 'lost';
      }
    }
    failures += 1;
    const asked = outcome.kind === 'answer' ? (outcome.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(backOffMs(ANSWER_BACK_OFF, failures, line.random), asked);
    if (signal.aborted || line.now() + waitMs > deadlineMs) {
      log.error({ failures }, 'RunPod could not be given the answer.');
      return 'lost';
    }
    const why = outcome.kind === 'answer' ? { status: outcome.status } : { reason: outcome.reason };
    log.warn({ ...why, failures, waitMs: Math.round(waitMs) }, 'An answer did not get through; it is posted again.');
    await line.pause(waitMs, signal);
  }
}

function refusedAnswer(status: number, body: string): MillraceError {
  const message = `RunPod refused the answer (${status}, ${Buffer.byteLength(body)} bytes). The work itself had ended.`;
  return new MillraceError('ANSWER_TOO_LARGE', message, { fix: "See the item's result object in the bucket." });
}
