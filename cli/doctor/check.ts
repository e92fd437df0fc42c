/** One question about a deployment, and how all of them are asked: at once, but for those that need another's answer. */
import { asMillraceError } from '../../errors.ts';
import type { Examination } from './examination.ts';
import { type Finding, skipped, wrong } from './finding.ts';

export interface Check {
  readonly name: string;
  /** Checks without which this one would only find the same fault again. */
  readonly needs: readonly string[];
  /** What to do where it throws an error that does not say so itself. */
  readonly fix: string;
  /** At least one finding. What it throws is a finding too. Must stop, and leave nothing behind, when `signal` is aborted. */
  run(examination: Examination, signal: AbortSignal): Promise<readonly Finding[]>;
}

export type NamedFinding = Finding & { readonly check: string };

/** For each check, and one that does not answer is itself a finding. */
const TIME_LIMIT_MS = 45_000;

export interface CheckLimits {
  readonly timeLimitMs?: number;
  /** Stops them all; each puts away what it has written. */
  readonly stop?: AbortSignal;
}

/** In the order of `checks`; a check comes after those that it needs. Never throws. */
export async function runChecks(
  checks: readonly Check[],
  examination: Examination,
  limits: CheckLimits = {},
): Promise<readonly NamedFinding[]> {
  const answers = new Map<string, Promise<readonly Finding[]>>();
  for (const check of checks) answers.set(check.name, runCheck(check, examination, answers, limits));
  const all = await Promise.all(
    [...answers].map(async ([check, answer]) => (await answer).map((finding) => ({ ...finding, check }))),
  );
  return all.flat();
}

async function runCheck(
  check: Check,
  examination: Examination,
  answers: ReadonlyMap<string, Promise<readonly Finding[]>>,
  { timeLimitMs = TIME_LIMIT_MS, stop }: CheckLimits,
): Promise<readonly Finding[]> {
  for (const need of check.needs) {
    const findings = (await answers.get(need)) ?? [];
    if (!findings.some(({ outcome }) => outcome === 'ok')) return [skipped(`nothing can be said of it before ${need} is ok`)];
  }
  const limit = new AbortController();
  const signal = stop === undefined ? limit.signal : AbortSignal.any([limit.signal, stop]);
  const late = Promise.withResolvers<readonly Finding[]>();
  const timer = setTimeout(() => {
    limit.abort();
    late.resolve([wrong(`no answer within ${timeLimitMs / 1000} s`, check.fix)]);
  }, timeLimitMs);
  try {
    return await Promise.race([check.run(examination, signal), late.promise]);
  } catch (thrown) {
    const { code, message, fix } = asMillraceError(thrown);
    // Errors of the environment have a line for each variable.
    return [wrong(`${message.replaceAll(/\s*\n\s*/g, ' ')} (${code})`, fix ?? check.fix)];
  } finally {
    clearTimeout(timer);
  }
}
