import { expect, test } from 'vitest';
import { type Check, runChecks } from '../../../../cli/doctor/check.ts';
import { examine } from '../../../../cli/doctor/examination.ts';
import { type Finding, ok, wrong } from '../../../../cli/doctor/finding.ts';
import { MillraceError } from '../../../../errors.ts';
import { silentLogger } from '../../../../log.ts';

const examination = examine({}, 'deployment', { log: silentLogger });
const check = (name: string, needs: readonly string[], run: (signal: AbortSignal) => Promise<readonly Finding[]>): Check => {
  return { name, needs, fix: `mend ${name}`, run: (_, signal) => run(signal) };
};

test('findings come in the order of the checks, whichever ends first', async () => {
  const slow = Promise.withResolvers<readonly Finding[]>();
  const checks = [
    check('slow', [], () => slow.promise),
    check('fast', [], async () => {
      slow.resolve([ok('late')]);
      return [ok('early')];
    }),
  ];
  expect((await runChecks(checks, examination)).map(({ check: name }) => name)).toEqual(['slow', 'fast']);
});

test('what needs something that is wrong is not asked, and says what it waits for', async () => {
  const checks = [
    check('first', [], async () => [wrong('broken', 'mend it')]),
    check('second', ['first'], async () => [ok('asked')]),
    check('third', ['second'], async () => [ok('asked')]),
  ];
  expect(await runChecks(checks, examination)).toEqual([
    { check: 'first', outcome: 'wrong', found: 'broken', fix: 'mend it' },
    { check: 'second', outcome: 'skipped', found: 'nothing can be said of it before first is ok' },
    { check: 'third', outcome: 'skipped', found: 'nothing can be said of it before second is ok' },
  ]);
});

test('a fault beside what is ok keeps nothing else from being asked', async () => {
  const checks = [
    check('first', [], async () => [ok('there'), wrong('a setting', 'mend it')]),
    check('second', ['first'], async () => [ok('asked')]),
  ];
  expect((await runChecks(checks, examination)).at(-1)).toMatchObject({ check: 'second', outcome: 'ok' });
});

test("an error's own advice is taken, and the check's where it has none", async () => {
  const failing = (fix?: string) => async () => {
    throw new MillraceError('STORE_ERROR', 'it failed', fix === undefined ? {} : { fix });
  };
  const findings = await runChecks([check('a', [], failing('do this')), check('b', [], failing())], examination);
  expect(findings).toEqual([
    { check: 'a', outcome: 'wrong', found: 'it failed (STORE_ERROR)', fix: 'do this' },
    { check: 'b', outcome: 'wrong', found: 'it failed (STORE_ERROR)', fix: 'mend b' },
  ]);
});

test('a check that does not answer is told to stop, and is itself a finding', async () => {
  const told = Promise.withResolvers<void>();
  const silent = check('silent', [], (signal) => {
    signal.addEventListener('abort', () => told.resolve());
    return new Promise(() => {});
  });
  expect(await runChecks([silent], examination, { timeLimitMs: 20 })).toEqual([
    { check: 'silent', outcome: 'wrong', found: 'no answer within 0.02 s', fix: 'mend silent' },
  ]);
  await told.promise;
});

test('all are stopped at once, and each may put away what it has written', async () => {
  const stop = new AbortController();
  const putAway = Promise.withResolvers<void>();
  const writing = check('writing', [], async (signal) => {
    stop.abort();
    signal.throwIfAborted();
    putAway.reject(new Error('it went on'));
    return [];
  });
  const tidy: Check = { ...writing, run: (...args) => writing.run(...args).finally(putAway.resolve) };
  expect(await runChecks([tidy], examination, { stop: stop.signal })).toMatchObject([{ check: 'writing', outcome: 'wrong' }]);
  await putAway.promise;
});
