/** The rules that must hold at every moment, whatever goes wrong. It looks at the bucket and at RunPod, never at a plan. */

import type { RunRequest } from '../../pipeline/dispatcher.ts';
import { MARK } from '../../pipeline/facts.ts';
import { MAX_ATTEMPTS_OF_ANY_KIND } from '../../pipeline/item-state.ts';
import { type AttemptName, parseAttemptPath, parseResultPath, parseSlotPath } from '../../pipeline/layout.ts';
import { countedFailures } from './budget.ts';
import { createCeilingWatch } from './ceiling-watch.ts';
import { essenceOf, mediaEssence } from './media.ts';
import { type Change, type MemoryBucket, presignedKey, SIGNATURE, type StoredObject } from './memory-bucket.ts';
import { itemsOf, type RunItem, workOf } from './run-input.ts';
import { LAYOUT } from './settings.ts';

/** Who asks for a run, and since which step its reconcile of the job has been looking. */
export interface Asker {
  readonly name: string;
  readonly lookedAt: (job: string) => number;
}

export interface Watch {
  readonly violations: readonly string[];
  add(violation: string): void;
  changed(change: Change): void;
  asked(request: RunRequest, asker: Asker): void;
  refused(request: RunRequest): void;
  /** The longest time that a job has waited for a slot while it had none. */
  readonly longestWaitMs: () => number;
  /** A user has deleted the whole folder: its attempts begin anew. */
  forget(job: string): void;
  /** What outputs of a fingerprint are made of, as far as a run with it was ever asked for. */
  meaningOf(fingerprint: string): string | undefined;
  /** What the last run carries, in a few words. */
  lastAsked(): string;
}

export interface WatchOptions {
  readonly bucket: () => MemoryBucket;
  readonly step: () => number;
  readonly now: () => number;
  /** The most runs in flight an endpoint may have; 0 where that cannot be said. */
  readonly ceiling: number;
  /** Job ids that exist, or existed. */
  readonly jobs: readonly string[];
}

const MAX_FAILURES = 3;

export function createWatch({ bucket, step, now, ceiling, jobs }: WatchOptions): Watch {
  const violations: string[] = [];
  /** Since which step every key has been what it is. */
  const changedAt = new Map<string, number>();
  /** What every output has been since the world began: its mark, and since which step. */
  const marks = new Map<string, { readonly step: number; readonly mark: string | undefined }[]>();
  /** The first result of every attempt. */
  const firstResults = new Map<string, { readonly step: number; readonly status: string }>();
  /** Who won a claim last. */
  /** When each consumer that ever created a claim last did so. */
  const claimedBy = new Map<string, Map<string, number>>();
  const asked = new Set<string>();
  const refusals = new Map<string, number>();
  const asks = new Map<string, number>();
  const meanings = new Map<string, string>();
  /** Jobs that a user has deleted, and their results with them: what consumers saw then cannot be seen any more. */
  const deleted = new Set<string>();
  /** Claims whose results went with their job's folder. */
  const thrownAway = new Set<string>();
  const inFlight = createCeilingWatch(bucket, now);
  let last: string[] = [];
  const add = (violation: string): void => void violations.push(violation);

  /** True where `key` has been what it is since before the asker began to look. */
  const wasSeen = (key: string, looked: number): boolean => (changedAt.get(key) ?? 0) < looked;

  function changed(change: Change): void {
    const { key, before, after, author } = change;
    changedAt.set(key, step());
    const at = LAYOUT.jobOf(key);
    noteHistory(key, after);
    inFlight.changed(change);
    if (typeof author === 'string') {
      if (author !== 'user' && (at === null || at === 'invalid' || !jobs.includes(at.job))) add(`a ${author} writes ${key}`);
      return;
    }
    const { consumer } = author;
    if (after === undefined) {
      if (!/^pipelines-state\/(claims|waiting|slots|sweeps|audits)\//.test(key)) add(`${consumer} deletes ${key}`);
      checkClearedClaim(key, consumer);
      return;
    }
    if (!isConsumersKey(key)) add(`${consumer} writes ${key}, which is not its to write`);
    if (before !== undefined) add(`${consumer} writes ${key} a second time`);
    if (after.bytes.includes(SIGNATURE)) add(`${consumer} writes a signature into ${key}`);
    if (key.startsWith(CLAIMS)) noteClaim(key, consumer);
  }

  function noteHistory(key: string, after: StoredObject | undefined): void {
    const at = LAYOUT.jobOf(key);
    if (at === null || at === 'invalid') return;
    if (!at.key.startsWith(RESULTS)) {
      const history = marks.get(key) ?? [];
      history.push({ step: step(), mark: after?.metadata[MARK] });
      marks.set(key, history);
      return;
    }
    const result = parseResultPath(at.key.slice(RESULTS.length));
    const id = `${at.job}/${at.key.slice(RESULTS.length).replace(/\.[a-z]+\.json$/, '')}`;
    if (result !== null && after !== undefined && !firstResults.has(id))
      firstResults.set(id, { step: step(), status: result.status });
  }

  function isConsumersKey(key: string): boolean {
    const at = LAYOUT.jobOf(key);
    if (at === 'invalid') return false;
    if (at !== null) {
      const isResult = at.key.startsWith(RESULTS) && parseResultPath(at.key.slice(RESULTS.length)) !== null;
      return jobs.includes(at.job) && (isResult || at.key.startsWith('problems/'));
    }
    const [, kind = '', job = '', rest = ''] = /^pipelines-state\/([a-z]+)\/([^/]+)(?:\/(.+))?$/.exec(key) ?? [];
    if (kind === 'sweeps' || kind === 'audits') return /^\d+(\.done)?$/.test(job);
    if (kind === 'slots') return jobs.includes(parseSlotPath(key.slice(LAYOUT.slotPrefix.length))?.job ?? '');
    if (!jobs.includes(job)) return false;
    return kind === 'waiting' || ((kind === 'claims' || kind === 'runs') && parseAttemptPath(rest) !== null);
  }

  function noteClaim(key: string, consumer: string): void {
    const claimants = claimedBy.get(key) ?? new Map<string, number>();
    claimedBy.set(key, claimants.set(consumer, step()));
    const { job, name } = claimAt(key) ?? {};
    if (job === undefined || name === undefined || resultsOf(job, name).length > 0) return;
    // Another attempt with the same fingerprint must be over before the next one begins.
    const folder = key.slice(0, key.lastIndexOf('.') + 1);
    for (const other of bucket().keysUnder(folder)) {
      const claim = claimAt(other);
      if (other !== key && !thrownAway.has(other) && claim !== undefined && resultsOf(job, claim.name).length === 0) {
        add(`${consumer} claims ${key} while ${other} is open`);
      }
    }
  }

  function checkClearedClaim(key: string, consumer: string): void {
    const { job, name } = claimAt(key) ?? {};
    if (job === undefined || name === undefined || resultsOf(job, name).length > 0) return;
    if (!deleted.has(job)) add(`${consumer} clears ${key}, which is still open`);
  }

  function resultsOf(job: string, name: AttemptName): readonly string[] {
    return bucket().keysUnder(LAYOUT.resultPrefix(job, name));
  }

  function checkItem(item: RunItem, task: string, { name, lookedAt }: Asker): void {
    const { millrace } = item;
    const { job, stage, item: number, fingerprint, attempt } = millrace;
    const looked = lookedAt(job);
    const id = `${job}/${stage}/${number}/${fingerprint}.${attempt}`;
    const shown = `${job}/${stage}/${number}/${fingerprint.slice(0, 6)}.${attempt}`;
    const itemId = id.slice(0, id.lastIndexOf('.'));
    last.push(shown);
    asks.set(itemId, (asks.get(itemId) ?? 0) + 1);
    if (asked.has(id)) add(`${shown} is dispatched twice`);
    asked.add(id);
    const claimedAt = claimedBy.get(LAYOUT.stateKey('claims', job, millrace))?.get(name);
    if (claimedAt === undefined) add(`${name} dispatches ${shown} without its claim`);
    checkMeaning(shown, item, task);
    // Asked long ago, and only now on its way: the asker has looked at the job again since, which had no part in it.
    if (claimedAt !== undefined && looked > claimedAt) return;
    if (wasSeen(LAYOUT.jobKey(job, 'cancel.json'), looked) && bucket().objects.has(LAYOUT.jobKey(job, 'cancel.json'))) {
      add(`${shown} is dispatched though cancel.json was there when it was planned`);
    }
    const output = presignedKey(item.output_put_url);
    if (!output.startsWith(LAYOUT.jobFolder(job))) add(`${shown} would write ${output}`);
    const object = bucket().objects.get(output);
    if (object?.metadata[MARK] === fingerprint && wasSeen(output, looked)) {
      add(`${shown} is dispatched though its output was up to date when it was planned`);
    }
    if (object !== undefined && object.metadata[MARK] === undefined && wasSeen(output, looked)) {
      add(`${shown} is dispatched though a person had put its output there`);
    }
    checkOverlooked(shown, millrace, looked, output);
    checkBudget(shown, millrace, looked, object === undefined && wasSeen(output, looked));
  }

  /**
   * An earlier attempt that succeeded while the asker was looking has been overlooked: an attempt after it is only planned by
   * whoever saw it end, and then its output was there too.
   */
  function checkOverlooked(shown: string, { job, attempt, ...name }: RunItem['millrace'], looked: number, output: string): void {
    const wasDisturbed = (marks.get(output) ?? []).some(({ step, mark }) => step >= looked && mark !== name.fingerprint);
    if (wasDisturbed) return;
    for (let earlier = 1; earlier < attempt; earlier += 1) {
      const first = firstResults.get(`${job}/${name.stage}/${name.item}/${name.fingerprint}.${earlier}`);
      if (first?.status === 'succeeded' && first.step >= looked)
        add(`${shown} is dispatched though attempt ${earlier} had just succeeded`);
    }
  }

  /** What results said when the asker began to look must have allowed one more attempt. */
  function checkBudget(shown: string, { job, ...name }: RunItem['millrace'], looked: number, wasGone: boolean): void {
    const folder = `${LAYOUT.statePrefixOf('retries', job)}${name.stage}/${name.item}/${name.fingerprint}.`;
    const marks = bucket()
      .keysUnder(folder)
      .map((key) => Number(key.slice(folder.length)));
    const mark = Math.max(0, ...marks);
    const prefix = LAYOUT.resultPrefix(job, { ...name, attempt: 1 }).replace(/1\.$/, '');
    const results = bucket()
      .keysUnder(prefix)
      .filter((key) => wasSeen(key, looked))
      .flatMap((key) => {
        const result = parseResultPath(key.slice(LAYOUT.jobFolder(job).length + RESULTS.length));
        const atMs = bucket().objects.get(key)?.lastModifiedMs ?? 0;
        return result === null || result.attempt <= mark ? [] : [{ ...result, atMs, key }];
      });
    const hasSucceeded = results.some(({ status }) => status === 'succeeded');
    if (hasSucceeded && wasGone) add(`${shown} is dispatched though its output was removed, and nobody asked for it`);
    const failures = countedFailures(results);
    if (failures.length >= MAX_FAILURES) add(`${shown} is dispatched after ${failures.length} failures`);
    if (failures.some(({ key }) => /"retryable":\s*false/.test(bucket().text(key) ?? ''))) {
      add(`${shown} is dispatched after a failure that cannot be helped by trying again`);
    }
    const refused = refusals.get(`${job}/${name.stage}/${name.item}/${name.fingerprint}`) ?? 0;
    const spent = (asks.get(`${job}/${name.stage}/${name.item}/${name.fingerprint}`) ?? 0) - refused;
    if (mark === 0 && spent > MAX_ATTEMPTS_OF_ANY_KIND) add(`${shown} is the ${spent}th attempt`);
  }

  /** One fingerprint stands for one work: the same inputs, the same parameters. */
  function checkMeaning(shown: string, item: RunItem, task: string): void {
    const { parameters, inputs } = workOf(item);
    const read: [string, string][] = [];
    for (const { name, url, etag } of inputs) {
      const object = bucket().objects.get(presignedKey(url));
      // Changed meanwhile: the worker will refuse it.
      if (object === undefined || (etag !== undefined && etag !== object.etag)) return;
      read.push([name, essenceOf(object.bytes.toString())]);
    }
    const { job, stage, item: number, fingerprint } = item.millrace;
    const meaning = mediaEssence(task, parameters, read);
    const known = meanings.get(`${job}/${stage}/${number}/${fingerprint}`) ?? meaning;
    meanings.set(`${job}/${stage}/${number}/${fingerprint}`, known);
    meanings.set(fingerprint, known);
    if (known !== meaning) add(`${shown} means two things: ${known} and ${meaning}`);
  }

  return {
    violations,
    add,
    changed,
    lastAsked: () => last.join(', '),
    asked(request, asker) {
      last = [];
      if (request.endpoint !== 'default') {
        last.push(request.endpoint);
        return;
      }
      const items = itemsOf(request.input);
      for (const item of items) checkItem(item, String(request.input.task), asker);
      const job = items[0]?.millrace.job ?? '';
      const runs = inFlight.asked(
        request.endpoint,
        job,
        items.map(({ millrace }) => millrace),
      );
      if (ceiling > 0 && runs > ceiling) add(`${last.join(', ')} makes ${runs} runs in flight, and ${ceiling} are allowed`);
    },
    refused(request) {
      if (request.endpoint !== 'default') return;
      for (const { millrace } of itemsOf(request.input)) {
        const id = `${millrace.job}/${millrace.stage}/${millrace.item}/${millrace.fingerprint}`;
        refusals.set(id, (refusals.get(id) ?? 0) + 1);
      }
    },
    longestWaitMs: inFlight.longestWaitMs,
    forget(job) {
      inFlight.forget(job);
      deleted.add(job);
      for (const key of bucket().keysUnder(`${CLAIMS}${job}/`)) thrownAway.add(key);
      for (const known of [asked, asks, refusals, firstResults]) {
        for (const id of [...known.keys()]) if (id.startsWith(`${job}/`)) known.delete(id);
      }
    },
    meaningOf: (fingerprint) => meanings.get(fingerprint),
  };
}

const RESULTS = 'results/';
const CLAIMS = `${LAYOUT.statePrefix}/claims/`;

function claimAt(key: string): { readonly job: string; readonly name: AttemptName } | undefined {
  if (!key.startsWith(CLAIMS)) return undefined;
  const path = key.slice(CLAIMS.length);
  const slash = path.indexOf('/');
  const name = parseAttemptPath(path.slice(slash + 1));
  return name === null ? undefined : { job: path.slice(0, slash), name };
}
