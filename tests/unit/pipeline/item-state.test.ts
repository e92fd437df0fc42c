/** One test for each rule of the state machine; the names of the fingerprints say whose they are. */

import { describe, expect, test } from 'vitest';
import type { ResultError, ResultStatus } from '../../../manifests/result.ts';
import type { ItemHistory } from '../../../pipeline/history.ts';
import { type ItemFacts, type ItemState, itemState, MAX_ATTEMPTS_OF_ANY_KIND } from '../../../pipeline/item-state.ts';
import { failureId, writingId } from '../../../pipeline/snapshot.ts';
import type { ObjectInfo } from '../../../storage/object-store.ts';

const WANTED = 'aaaa';
const OTHER = 'bbbb';
const OUTPUT: ObjectInfo = { key: 'out.wav', sizeBytes: 1, etag: 'e', lastModifiedMs: 5_000 };

interface Given {
  readonly output?: ObjectInfo;
  /** What a HEAD of the output shows; left out where nobody has asked. */
  readonly mark?: string | null;
  readonly claims?: readonly [fingerprint: string, attempt: number, lastModifiedMs?: number][];
  readonly runs?: readonly [fingerprint: string, attempt: number][];
  readonly retries?: readonly [fingerprint: string, attempt: number][];
  readonly results?: readonly [fingerprint: string, attempt: number, status: ResultStatus, lastModifiedMs?: number][];
  readonly permanent?: readonly number[];
  /** Failures that nobody has read yet. */
  readonly unread?: readonly number[];
  readonly marksOutputs?: boolean;
  readonly retryDelayMs?: number;
  readonly nowMs?: number;
}

function stateOf(given: Given): ItemState {
  const { output, mark, permanent = [], unread = [] } = given;
  const seen = ([fingerprint, attempt]: readonly [string, number, ...unknown[]]) => ({ fingerprint, attempt });
  const history: ItemHistory = {
    claims: (given.claims ?? []).map((claim) => ({ ...seen(claim), lastModifiedMs: claim[2] ?? 4_000 })),
    runs: (given.runs ?? []).map(seen),
    retries: (given.retries ?? []).map(seen),
    results: (given.results ?? []).map((result) => ({ ...seen(result), status: result[2], lastModifiedMs: result[3] ?? 6_000 })),
  };
  const failures = new Map<string, ResultError>();
  for (const { fingerprint, attempt, lastModifiedMs } of history.results) {
    if (unread.includes(attempt)) continue;
    const retryable = !permanent.includes(attempt);
    failures.set(failureId({ stage: 's', item: '0', fingerprint, attempt, lastModifiedMs }), {
      code: 'X',
      message: 'why',
      retryable,
    });
  }
  const marks = new Map(output === undefined || mark === undefined ? [] : [[writingId(output), mark]]);
  const facts: ItemFacts['facts'] = { documents: new Map(), marks, failures };
  const item: ItemFacts = {
    ...{ stage: 's', item: '0', fingerprint: WANTED, maxAttempts: 3, output, history, facts },
    marksOutputs: given.marksOutputs ?? true,
    retryDelayMs: given.retryDelayMs ?? 0,
    nowMs: given.nowMs ?? 10_000,
  };
  return itemState(item);
}

const times = <T>(count: number, make: (attempt: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index + 1));
const done = { kind: 'done', ownerMade: false };

describe('an item is done', () => {
  test('by listing alone, when its success is no older than its output and nothing else was ever at work', () => {
    expect(stateOf({ output: OUTPUT, claims: [[WANTED, 1]], results: [[WANTED, 1, 'succeeded', 5_000]] })).toEqual(done);
  });

  test('by its mark, where its success is older than its output', () => {
    const given: Given = { output: OUTPUT, results: [[WANTED, 1, 'succeeded', 4_999]] };
    expect(stateOf(given)).toEqual({ kind: 'needs-mark', version: OUTPUT });
    expect(stateOf({ ...given, mark: WANTED })).toEqual(done);
  });

  test.each<[string, Given]>([
    ['claim', { claims: [[OTHER, 1]] }],
    ['run', { runs: [[OTHER, 1]] }],
    [
      'result',
      {
        results: [
          [WANTED, 1, 'succeeded'],
          [OTHER, 1, 'cancelled'],
        ],
      },
    ],
  ])('by its mark alone, once a %s of another fingerprint is known', (_, more) => {
    const given: Given = { output: OUTPUT, results: [[WANTED, 1, 'succeeded']], ...more };
    expect(stateOf(given)).toEqual({ kind: 'needs-mark', version: OUTPUT });
    expect(stateOf({ ...given, mark: WANTED })).toEqual(done);
    expect(stateOf({ ...given, mark: OTHER })).toMatchObject({ kind: 'dispatch', attempt: 2 });
  });

  test('when its output has no mark: its owner put it there', () => {
    expect(stateOf({ output: OUTPUT, mark: null })).toEqual({ kind: 'done', ownerMade: true });
    expect(stateOf({ output: OUTPUT, mark: null, results: [[OTHER, 1, 'succeeded']] })).toEqual({
      kind: 'done',
      ownerMade: true,
    });
  });

  test('by its mark, even though its only result is a failure', () => {
    expect(stateOf({ output: OUTPUT, mark: WANTED, results: [[WANTED, 1, 'failed']] })).toEqual(done);
  });

  test('not by a failed result', () => {
    const given: Given = { output: OUTPUT, mark: OTHER, results: [[WANTED, 1, 'failed', 9_000]] };
    expect(stateOf(given)).toMatchObject({ kind: 'dispatch', attempt: 2 });
  });
});

describe('an open attempt', () => {
  test('of the wanted fingerprint blocks another', () => {
    expect(stateOf({ claims: [[WANTED, 2]], results: [[WANTED, 1, 'failed']] })).toEqual({ kind: 'running', attempt: 2 });
  });

  test('of another fingerprint does not', () => {
    expect(stateOf({ claims: [[OTHER, 4]] })).toMatchObject({
      kind: 'dispatch',
      attempt: 1,
      why: 'its inputs or parameters have changed',
    });
  });

  test.each<ResultStatus>(['succeeded', 'failed', 'cancelled', 'refused'])('is open no more once it has %s', (status) => {
    expect(stateOf({ output: OUTPUT, mark: OTHER, claims: [[WANTED, 1]], results: [[WANTED, 1, status, 4_000]] })).toMatchObject({
      kind: 'dispatch',
      attempt: 2,
    });
  });
});

describe('an attempt’s number is used once', () => {
  test.each<[string, Given]>([
    ['claims', { claims: [[WANTED, 6]], results: [[WANTED, 6, 'cancelled']] }],
    ['results', { results: [[WANTED, 6, 'cancelled']] }],
    ['retry marks', { retries: [[WANTED, 6]] }],
    ['runs', { runs: [[WANTED, 6]] }],
  ])('as %s tell', (_, given) => expect(stateOf(given)).toMatchObject({ kind: 'dispatch', attempt: 7 }));

  test('whatever other fingerprints count', () => {
    expect(stateOf({ results: [[OTHER, 6, 'cancelled']] })).toMatchObject({ kind: 'dispatch', attempt: 1 });
  });
});

describe('the budget of failures', () => {
  const failures = (count: number): Given => ({
    results: times(count, (attempt) => [WANTED, attempt, 'failed'] as const).map((one) => [...one]),
  });

  test('lets an item fail twice', () => expect(stateOf(failures(2))).toMatchObject({ kind: 'dispatch', attempt: 3 }));

  test('ends with the third', () => {
    expect(stateOf(failures(3))).toEqual({ kind: 'failed', attempt: 3, why: 'failed 3 times, at last with X: why' });
  });

  test('counts above the retry mark only', () => {
    expect(stateOf({ ...failures(3), retries: [[WANTED, 3]] })).toMatchObject({ kind: 'dispatch', attempt: 4 });
    expect(stateOf({ ...failures(5), retries: [[WANTED, 3]] })).toMatchObject({ kind: 'dispatch', attempt: 6 });
    expect(stateOf({ ...failures(6), retries: [[WANTED, 3]] })).toMatchObject({ kind: 'failed', attempt: 6 });
  });

  test('does not count once one has succeeded', () => {
    const results: Given['results'] = [...(failures(3).results ?? []), [WANTED, 4, 'succeeded', 4_000]];
    expect(stateOf({ output: OUTPUT, mark: OTHER, results })).toMatchObject({ kind: 'dispatch', attempt: 5 });
  });

  test('is whole again after a success, and not without end', () => {
    const results: Given['results'] = [
      [WANTED, 1, 'failed', 3_000],
      [WANTED, 2, 'succeeded', 4_000],
      [WANTED, 3, 'failed', 6_000],
      [WANTED, 4, 'failed', 7_000],
    ];
    const given: Given = { output: OUTPUT, mark: OTHER, results };
    expect(stateOf(given)).toMatchObject({ kind: 'dispatch', attempt: 5 });
    expect(stateOf({ ...given, retryDelayMs: 10_000 })).toMatchObject({ kind: 'retrying', notBeforeMs: 7_000 + 20_000 });
    expect(stateOf({ ...given, permanent: [4] })).toMatchObject({ kind: 'failed', attempt: 4 });
    expect(stateOf({ ...given, results: [...results, [WANTED, 5, 'failed', 8_000]] })).toEqual({
      kind: 'failed',
      attempt: 5,
      why: 'failed 3 times, at last with X: why',
    });
  });

  test('does not count what a success came after, whichever attempt’s it was', () => {
    const results: Given['results'] = [
      [WANTED, 2, 'failed', 6_000],
      [WANTED, 1, 'succeeded', 7_000],
      [OTHER, 1, 'succeeded', 7_500],
    ];
    expect(stateOf({ output: OUTPUT, mark: OTHER, permanent: [2], results })).toMatchObject({ kind: 'dispatch', attempt: 3 });
  });

  test('is not for cancelled and refused attempts', () => {
    const results = times(
      8,
      (attempt) => [WANTED, attempt, attempt % 2 === 0 ? 'refused' : 'cancelled'] as [string, number, ResultStatus],
    );
    expect(stateOf({ results })).toMatchObject({ kind: 'dispatch', attempt: 9 });
  });

  test('does not matter where trying again cannot help', () => {
    expect(stateOf({ ...failures(1), permanent: [1] })).toEqual({ kind: 'failed', attempt: 1, why: 'X: why' });
  });

  test('needs the last failure read', () => {
    expect(stateOf({ ...failures(2), unread: [2] })).toMatchObject({ kind: 'needs-failure', failed: { attempt: 2 } });
  });
});

describe('the cap on attempts of any kind', () => {
  const attempts = (count: number, status: ResultStatus): Given['results'] =>
    times(count, (attempt) => [WANTED, attempt, status, 4_000]);

  test('is twelve', () => {
    expect(MAX_ATTEMPTS_OF_ANY_KIND).toBe(12);
    expect(stateOf({ results: attempts(11, 'cancelled') ?? [] })).toMatchObject({ kind: 'dispatch', attempt: 12 });
    expect(stateOf({ results: attempts(12, 'cancelled') ?? [] })).toMatchObject({ kind: 'failed', attempt: 12 });
  });

  test('stops a worker that succeeds without an output', () => {
    expect(stateOf({ output: OUTPUT, mark: OTHER, results: attempts(12, 'succeeded') ?? [] })).toMatchObject({ kind: 'failed' });
  });

  test('does not count what RunPod refused', () => {
    expect(stateOf({ results: attempts(40, 'refused') ?? [] })).toMatchObject({ kind: 'dispatch', attempt: 41 });
  });

  test('counts above the retry mark only', () => {
    expect(stateOf({ results: attempts(12, 'cancelled') ?? [], retries: [[WANTED, 12]] })).toMatchObject({
      kind: 'dispatch',
      attempt: 13,
    });
  });
});

describe('an output that is gone although its item succeeded', () => {
  test('is removed, and not made again by itself', () => {
    expect(stateOf({ results: [[WANTED, 1, 'succeeded']] })).toEqual({ kind: 'removed', attempt: 1 });
  });

  test('is made again on a retry', () => {
    expect(stateOf({ results: [[WANTED, 1, 'succeeded']], retries: [[WANTED, 1]] })).toMatchObject({
      kind: 'dispatch',
      attempt: 2,
    });
  });

  test('is made again where its inputs have changed since', () => {
    expect(stateOf({ results: [[OTHER, 1, 'succeeded']] })).toMatchObject({ kind: 'dispatch', attempt: 1 });
  });
});

describe('an output of another program’s endpoint carries no mark, and', () => {
  const marksOutputs = false;

  test('lands for the open attempt that was claimed before it', () => {
    expect(stateOf({ marksOutputs, output: OUTPUT, claims: [[WANTED, 2, 5_000]] })).toEqual({ kind: 'landed', attempt: 2 });
  });

  test('is outdated while the attempt that was claimed after it runs', () => {
    const given: Given = { marksOutputs, output: OUTPUT, claims: [[WANTED, 1, 5_001]], results: [[OTHER, 1, 'succeeded']] };
    expect(stateOf(given)).toEqual({ kind: 'running', attempt: 1 });
  });

  test('is done once its success is written', () => {
    expect(
      stateOf({
        marksOutputs,
        output: OUTPUT,
        results: [
          [WANTED, 1, 'succeeded'],
          [OTHER, 1, 'succeeded'],
        ],
      }),
    ).toEqual(done);
  });

  test('is its owner’s where nobody was ever asked', () => {
    expect(stateOf({ marksOutputs, output: OUTPUT })).toEqual({ kind: 'done', ownerMade: true });
  });

  test('stays done when RunPod carries the same run out twice', () => {
    expect(stateOf({ marksOutputs, output: OUTPUT, results: [[WANTED, 1, 'succeeded', 4_000]] })).toEqual(done);
  });

  test('is made again where the newer output may be another fingerprint’s', () => {
    const results: Given['results'] = [
      [WANTED, 1, 'succeeded', 4_000],
      [OTHER, 1, 'succeeded', 3_000],
    ];
    expect(stateOf({ marksOutputs, output: OUTPUT, results })).toMatchObject({ kind: 'dispatch', attempt: 2 });
  });
});
