/** Plausible mistakes, each a few exact words of the code and what stands there instead. The simulation must notice every one. */

export interface Edit {
  /** Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** Relative to the repository's root. */
  readonly file: string;
  readonly edits: readonly Edit[];
}

const one = (name: string, file: string, find: string, replace: string): Mutant => ({ name, file, edits: [{ find, replace }] });

const CLAIM =
  "if (await source.store.createIfAbsent(key, JSON.stringify(claim), { contentType: 'application/json' })) made.add(item);";
const CALL = 'const outcome = await callRun(source, job, first, won, prepared, signal);';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'claim after dispatch',
    file: 'pipeline/dispatch-run.ts',
    edits: [
      {
        find: 'const { claim, won, prepared } = await claimItems(source, job, items, signal);',
        replace: 'const [won, prepared] = [items, prepareRun(source, job, items)];',
      },
      { find: CALL, replace: `${CALL}\n  const { claim } = await claimItems(source, job, items, signal);` },
    ],
  },
  one(
    'conditional create ignored',
    'pipeline/dispatch-run.ts',
    CLAIM,
    "if (await source.store.put(key, JSON.stringify(claim), { contentType: 'application/json' })) made.add(item);",
  ),
  one(
    'a lost claim counts as won',
    'pipeline/dispatch-run.ts',
    'const mine = await createClaims(source, job, items, claim);',
    'await createClaims(source, job, items, claim);\n    const mine = items;',
  ),
  one(
    'no second look after a claim',
    'pipeline/dispatch-run.ts',
    'const won = await withoutEnded(source, job, mine, signal);',
    'const won = mine;',
  ),
  one(
    'acknowledge before the reconcile',
    'consumers/message-handler.ts',
    'jobs.map((job) => turns.request(job, signal))',
    'jobs.map((job) => void turns.request(job, signal).catch(() => {}))',
  ),
  one(
    'acknowledge a reconcile that failed',
    'consumers/message-handler.ts',
    "return { kind: 'retry', delaySeconds: retryDelaySeconds(receiveCount, random), error: failure };",
    "return { kind: 'done' };",
  ),
  one(
    'join the reconcile that is running',
    'consumers/job-turns.ts',
    'const known = pending.get(job);',
    'const known = pending.get(job) ?? running.get(job);',
  ),
  one(
    'list order reversed',
    'pipeline/take-listing.ts',
    "await listed.takeAttempts('claims');\n    await listed.takeResults();\n    // No rule says which of the two is read first, and somebody may be waiting for both.\n    await Promise.all([listed.takeBeforeResults(), listed.takeAfterResults()]);",
    "await Promise.all([listed.takeBeforeResults(), listed.takeAfterResults()]);\n    await listed.takeResults();\n    await listed.takeAttempts('claims');",
  ),
  {
    name: 'claims listed before runs',
    file: 'pipeline/take-listing.ts',
    edits: [
      { find: 'if (begun.has(job)) await takeState();', replace: "if (begun.has(job)) await listed.takeAttempts('claims');" },
      { find: "listed.forgetFolder();\n    await listed.takeAttempts('claims');", replace: 'await takeState();' },
    ],
  },
  one(
    'no second listing where something had begun',
    'pipeline/take-listing.ts',
    'isNew = isWhole && listed.history.size === 0 && !listed.isWaiting;',
    'isNew = isWhole;',
  ),
  one(
    'an open attempt blocks nobody',
    'pipeline/item-state.ts',
    "if (open !== undefined) return { kind: 'running', attempt: open.attempt };",
    '',
  ),
  one(
    'attempts counted by failures',
    'pipeline/item-state.ts',
    'const attempt = wanted.highest + 1;',
    'const attempt = wanted.failed.length + 1;',
  ),
  one(
    'one failure too many',
    'pipeline/item-state.ts',
    'wanted.failed.length >= item.maxAttempts',
    'wanted.failed.length > item.maxAttempts',
  ),
  one('any output will do', 'pipeline/item-state.ts', "return mark === item.fingerprint ? MADE : 'outdated';", 'return MADE;'),
  one(
    'what a person made is replaced',
    'pipeline/item-state.ts',
    "if (mark === null) return { kind: 'done', ownerMade: true };",
    "if (mark === null) return 'outdated';",
  ),
  one(
    'what was removed is made again',
    'pipeline/item-state.ts',
    "if (succeeded > wanted.retryMark) return { kind: 'removed', attempt: succeeded };",
    '',
  ),
  one(
    'cancel.json is ignored',
    'pipeline/plan.ts',
    "snapshot.objects.has('cancel.json')\n    ? 'cancelled'",
    "snapshot.objects.has('cancel.json/')\n    ? 'cancelled'",
  ),
  one(
    'fingerprints without versions',
    'pipeline/plan-items.ts',
    'const versions = inputVersions(stage, inputs);',
    'const versions: ReturnType<typeof inputVersions> = [];',
  ),
  one(
    'an input that is being made is read',
    'pipeline/plan-inputs.ts',
    'if (producer !== undefined && !producer.done) {',
    'if (producer === null) {',
  ),
  one('the fan-in does not wait for all', 'pipeline/plan-inputs.ts', ' || objects.length < stage.items.length', ''),
  one(
    'a problem is not written',
    'pipeline/reconcile.ts',
    'for (const problem of problems) await writeProblem(source, job, problem);',
    'for (const problem of problems.slice(1)) await writeProblem(source, job, problem);',
  ),
  one('a retry is not heard', 'pipeline/item-state.ts', 'const retryMark = highestOf(', 'const retryMark = 0 * highestOf('),
  one(
    'nobody notes when to try again',
    'pipeline/reconcile.ts',
    "await writeNote(source, job, plan.retryAtMs, 'an item failed and is to be tried again', 'retry');",
    '',
  ),
  one(
    'nobody notes who waits for a slot',
    'pipeline/reconcile.ts',
    'for (const endpoint of slotted.lacking) {',
    'for (const endpoint of slotted.lacking.slice(1)) {',
  ),
  one(
    'the sweep clears open claims',
    'pipeline/sweep.ts',
    'const ended = claims.filter((claim) => claim.ended);',
    'const ended = claims;',
  ),
  one('the sweep clears claims before their work is done', 'pipeline/sweep.ts', 'if (hasWork(planned)', 'if (planned === null'),
  one(
    'the sweep never loses patience',
    'pipeline/sweep.ts',
    'const isPatient = source.now() - claim.lastModifiedMs < patienceMs;',
    'const isPatient = patienceMs > 0;',
  ),
  {
    name: 'notes deleted before the job is looked at',
    file: 'pipeline/sweep.ts',
    edits: [
      {
        find: 'await wake(job);\n      for (const key of keys) await store.delete(key, signal);',
        replace: 'for (const key of keys) await store.delete(key, signal);\n      await wake(job);',
      },
    ],
  },
  {
    name: 'the ceiling is not kept',
    file: 'pipeline/slots.ts',
    edits: [
      { find: 'const free = Math.max(0, ceiling - slots.length);', replace: 'const free = ceiling;' },
      {
        find: 'const fitting = Math.min(mine.length, Math.max(0, source.maxRunsInFlight - taken.length));',
        replace: 'const fitting = mine.length;',
      },
    ],
  },
  one(
    'the audit looks back too short a time',
    'pipeline/audit.ts',
    'Number.isFinite(lastMs) ? lastMs - OVERLAP_MS',
    'Number.isFinite(lastMs) ? startMs',
  ),
];
