/** The time limit of one task, as a signal that says why it was aborted. */
import { MillraceError } from '../errors.ts';

export interface Deadline {
  readonly signal: AbortSignal;
  /** The work is done: the limit no longer matters. */
  clear(): void;
}

export function createDeadline(limitSeconds: number): Deadline {
  const controller = new AbortController();
  const expire = () => controller.abort(new MillraceError('TIME_LIMIT', `The task took longer than ${limitSeconds} s.`));
  const timer = setTimeout(expire, limitSeconds * 1000);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}
