/**
 * The audit: looks at every job with objects newer than the last audit. Events that were lost before they reached a queue are found
 * here, and nowhere else. It knows then which jobs there are, and clears away the state of those that there are not.
 */
import { asMillraceError } from '../errors.ts';
import { clearDeletedJobs, type StateClearer } from './deleted-jobs.ts';
import { type Layout, parseAuditName } from './layout.ts';
import { inParallel } from './parallel.ts';
import type { Reconciler } from './reconcile.ts';
import { writeNote } from './waiting.ts';

export interface Auditor extends StateClearer, Pick<Reconciler, 'consumerId' | 'randomId'> {
  /** 0 does without. */
  readonly auditMinutes: number;
  /** Has the job looked at again; resolves when a reconcile that began after the call has succeeded. */
  readonly wake: (job: string) => Promise<void>;
}

const MINUTE_MS = 60_000;
/** A first audit looks back as far as a queue can keep messages. */
const FIRST_LOOK_BACK_MS = 14 * 24 * 60 * MINUTE_MS;
/** Clocks differ, and a listing takes a while. */
const OVERLAP_MS = 10 * MINUTE_MS;
const WAKES_AT_ONCE = 8;

/** How many jobs were looked at; null where this interval's audit is somebody else's, or off. */
export async function audit(source: Auditor, signal?: AbortSignal): Promise<number | null> {
  const { store, layout, now, auditMinutes } = source;
  if (auditMinutes === 0) return null;
  const startMs = Math.floor(now() / (auditMinutes * MINUTE_MS)) * auditMinutes * MINUTE_MS;
  const known = await listAudits(source, signal);
  if (known.some((one) => one.startMs === startMs)) return null;
  if (!(await store.createIfAbsent(layout.auditKey(startMs), source.consumerId))) return null;
  // One that was begun and never finished does not count: what it had not looked at yet would be missed for good.
  const lastMs = Math.max(...known.filter(({ done }) => done).map((one) => one.startMs));
  const sinceMs = Number.isFinite(lastMs) ? lastMs - OVERLAP_MS : startMs - FIRST_LOOK_BACK_MS;
  const { changed: jobs, existing } = await lookThrough(source, sinceMs, signal);
  let failures = 0;
  await inParallel(WAKES_AT_ONCE, jobs, async (job) => {
    signal?.throwIfAborted();
    try {
      await source.wake(job);
    } catch (thrown) {
      source.log.error({ job, error: asMillraceError(thrown) }, 'a job could not be audited; the sweep looks at it again');
      if (!(await noteFailure(source, job))) failures += 1;
    }
  });
  if (failures === 0) {
    await store.createIfAbsent(layout.auditKey(startMs, 'done'), source.consumerId);
    for (const old of known) if (old.startMs < startMs) await store.delete(old.key, signal);
  }
  await clearDeletedJobs(source, existing, signal);
  return jobs.length;
}

/** False where that fails too. One job that can never be looked at must not have every audit go over all that came before it. */
async function noteFailure(source: Auditor, job: string): Promise<boolean> {
  try {
    await writeNote(source, job, source.now(), 'an audit could not look at it', 'retry');
    return true;
  } catch {
    return false;
  }
}

interface KnownAudit {
  readonly key: string;
  readonly startMs: number;
  readonly done: boolean;
}

async function listAudits({ store, layout }: Auditor, signal?: AbortSignal): Promise<KnownAudit[]> {
  const audits: KnownAudit[] = [];
  for await (const page of store.list(layout.auditPrefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      const name = parseAuditName(key.slice(layout.auditPrefix.length));
      if (name !== null) audits.push({ key, ...name });
    }
  }
  return audits;
}

/** Written because of a look at the job; nothing in the job comes of them. */
const WRITTEN_UNREAD = /^(problems|webhooks)\//;

interface BucketSource {
  readonly store: Auditor['store'];
  readonly layout: Layout;
}

/** Jobs with an object that was written at `sinceMs` or later, by their id. Lists the whole prefix: a request for every thousand objects. */
export async function jobsChangedSince(source: BucketSource, sinceMs: number, signal?: AbortSignal): Promise<readonly string[]> {
  return (await lookThrough(source, sinceMs, signal)).changed;
}

async function lookThrough(
  { store, layout }: BucketSource,
  sinceMs: number,
  signal?: AbortSignal,
): Promise<{ readonly changed: readonly string[]; readonly existing: ReadonlySet<string> }> {
  const changed = new Set<string>();
  const existing = new Set<string>();
  for await (const page of store.list(`${layout.pipelinesPrefix}/`, signal === undefined ? {} : { signal })) {
    for (const { key, lastModifiedMs } of page) {
      const job = key.slice(layout.pipelinesPrefix.length + 1).split('/', 1)[0] ?? '';
      existing.add(job);
      if (lastModifiedMs < sinceMs) continue;
      const at = layout.jobOf(key);
      if (at !== null && at !== 'invalid' && !WRITTEN_UNREAD.test(at.key)) changed.add(at.job);
    }
  }
  return { changed: [...changed], existing };
}
