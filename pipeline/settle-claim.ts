/** Decides what an open claim past its patience has come to, from what RunPod says and what is in the bucket. */
import { z } from 'zod';
import { type ErrorCode, isErrorCode, MillraceError, withoutSecrets } from '../errors.ts';
import { parseDocument } from '../manifests/parse.ts';
import type { ResultStatus } from '../manifests/result.ts';
import type { RunStatus } from './dispatcher.ts';

export type Settlement = 'leave' | { readonly status: ResultStatus; readonly error?: MillraceError };

/**
 * `status` is `null` where no run was recorded: the consumer died between claim and record, or `/run` got no answer.
 * Nobody may have worked, so the attempt is not counted as failed; the cap on attempts of any kind bounds it.
 */
export function settle(status: RunStatus | null, outputIsThere: boolean): Settlement {
  if (status?.kind === 'queued' || status?.kind === 'running') return 'leave';
  if (outputIsThere) return { status: 'succeeded' };
  switch (status?.kind) {
    case undefined:
      return {
        status: 'cancelled',
        error: new MillraceError('DISPATCH_LOST', 'the attempt was claimed, but no run was recorded for it'),
      };
    case 'cancelled':
      return { status: 'cancelled', error: new MillraceError('CANCELLED', 'RunPod reports the run as cancelled') };
    case 'completed':
      return failed('RESULT_MISSING', 'RunPod reports the run as completed, but its output is not in the bucket');
    case 'failed':
      return { status: 'failed', error: workerError(status.error) };
    case 'timed-out':
      return failed('RUN_TIMED_OUT', "RunPod ended the run at its execution timeout; raise the stage's execution_timeout_sec");
    case 'unknown':
      return failed('RUN_LOST', 'RunPod no longer knows the run, and it left neither output nor result');
  }
}

const WorkerError = z.object({
  code: z.custom<ErrorCode>((value) => typeof value === 'string' && isErrorCode(value)),
  message: z.string(),
  retryable: z.boolean(),
});

/** Our worker answers RunPod with its error as a JSON text; anything else is another program's own words. */
function workerError(text: string): MillraceError {
  const parsed = parseDocument(WorkerError, text);
  if (!parsed.ok) return new MillraceError('RUN_FAILED', withoutSecrets(text) || 'RunPod reports the run as failed');
  const { code, message, retryable } = parsed.value;
  return new MillraceError(code, withoutSecrets(message), { retryable });
}

function failed(code: 'RESULT_MISSING' | 'RUN_FAILED' | 'RUN_TIMED_OUT' | 'RUN_LOST', message: string): Settlement {
  return { status: 'failed', error: new MillraceError(code, message) };
}
