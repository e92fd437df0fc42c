/**
 * One suite of SQS's behaviour, run against the embedded queue and against moto, which nobody here wrote. Not in it, because
 * no peer has them: DeadLetterQueueSourceArn and the message move tasks, which are checked for the embedded queue alone
 * against AWS's documentation (tests/unit/local/queue/redrive.test.ts and move-tasks.test.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHECKS, scopeOf } from './behaviour.ts';
import { DIFFERENCES, differs } from './differences.ts';
import { type PeerName, type SqsPeer, startPeer } from './peer.ts';

const PEERS: readonly PeerName[] = ['ours', 'moto'];

describe.each(PEERS)('SQS as spoken by %s', (name) => {
  let peer: SqsPeer | null = null;
  beforeAll(async () => {
    peer = await startPeer[name]();
  });
  afterAll(async () => {
    await peer?.stop();
  });

  for (const [check, run] of CHECKS) {
    const title = differs(name, check) ? `${check} (it does not: see differences.ts)` : check;
    test(title, async (context) => {
      if (peer === null) return context.skip(`${name} is not installed`);
      const outcome = run(scopeOf(peer.client));
      if (differs(name, check)) await expect(outcome, 'this difference is gone: take it out of the table').rejects.toThrow();
      else await outcome;
    });
  }
});

test('the table of differences names checks that exist', () => {
  const names = new Set(CHECKS.map(([check]) => check));
  expect(DIFFERENCES.filter((difference) => !names.has(difference.check))).toEqual([]);
});
