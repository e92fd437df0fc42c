/** Decides what an open claim past its patience has come to, from what RunPod says and what is in the bucket. */
import { MillraceError, withoutSecrets } from '../errors.ts';
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
      return failed('RUN_FAILED', withoutSecrets(status.error) || 'RunPod reports the run as failed');
    case 'timed-out':
      return failed('RUN_TIMED_OUT', "RunPod ended the run at its execution timeout; raise the stage's execution_timeout_sec");
    case 'unknown':
      return failed('RUN_LOST', 'RunPod no longer knows the run, and it left neither output nor result');
  }
}

function failed(code: 'RESULT_MISSING' | 'RUN_FAILED' | 'RUN_TIMED_OUT' | 'RUN_LOST', message: string): Settlement {
  return { status: 'failed', error: new MillraceError(code, message) };
}
