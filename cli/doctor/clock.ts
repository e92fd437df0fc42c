/** Whether this machine's clock agrees with the bucket's: signatures carry the time, and waiting is measured against the bucket's. */
import type { Check } from './check.ts';
import type { Examination } from './examination.ts';
import { ok, skipped, wrong } from './finding.ts';

/** Stores refuse signatures that are fifteen minutes off; a minute is what waits and patience can bear. */
const MAX_SKEW_MS = 60_000;
const TIMEOUT_MS = 15_000;
const GOOGLE = 'https://storage.googleapis.com';

export const clock: Check = {
  name: 'clock',
  needs: [],
  fix: 'Set the clock: timedatectl set-ntp true',
  async run({ config, store, now }, signal) {
    const url = store.scheme === 'gs' ? (config.MILLRACE_GCS_ENDPOINT ?? GOOGLE) : config.S3_ENDPOINT_URL;
    const asked = await dateOf(url, now, signal);
    if (asked === undefined) return [skipped(`${new URL(url).host} did not say what time it is`)];
    const skewMs = asked.theirsMs - asked.oursMs;
    const by = `${Math.abs(skewMs / 1000).toFixed(1)} s ${skewMs > 0 ? 'behind' : 'ahead of'} the bucket's`;
    if (Math.abs(skewMs) > MAX_SKEW_MS)
      return [wrong(`this machine's clock is ${by}`, 'Set the clock: timedatectl set-ntp true')];
    return [ok(`this machine's clock is within ${MAX_SKEW_MS / 1000} s of the bucket's`)];
  },
};

/** Any answer will do, a refusal too: what counts is its Date. */
async function dateOf(url: string, now: Examination['now'], signal: AbortSignal) {
  const sentMs = now();
  try {
    const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const response = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: either });
    const theirsMs = Date.parse(response.headers.get('date') ?? '');
    return Number.isNaN(theirsMs) ? undefined : { theirsMs, oursMs: (sentMs + now()) / 2 };
  } catch {
    return undefined;
  }
}
