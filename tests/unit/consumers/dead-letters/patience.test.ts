import { describe, expect, test } from 'vitest';
import { patiently } from '../../../../consumers/dead-letters/patience.ts';
import { MillraceError } from '../../../../errors.ts';

describe('patience', () => {
  async function tryWith(...errors: readonly MillraceError[]) {
    const waits: number[] = [];
    const left = [...errors];
    const call = async () => {
      const error = left.shift();
      if (error !== undefined) throw error;
      return 'answer';
    };
    const answer = await patiently(call, async (ms) => waits.push(ms)).catch((thrown: MillraceError) => thrown.code);
    return { answer, waits };
  }
  const busy = (retryAfterMs?: number) => new MillraceError('QUEUE_BUSY', 'busy', { context: { retryAfterMs } });

  test('waits as long as a busy queue asks for, within bounds', async () => {
    expect(await tryWith(busy(250), busy(3_600_000))).toEqual({ answer: 'answer', waits: [250, 30_000] });
  });

  test('waits longer each time where the queue does not say, and gives up in the end', async () => {
    const { answer, waits } = await tryWith(...Array.from({ length: 6 }, () => busy()));
    expect(answer).toBe('QUEUE_BUSY');
    expect(waits).toHaveLength(5);
    expect(waits[4]).toBeGreaterThan(8_000 - 1);
  });

  test('repeats nothing that may have had an effect', async () => {
    const lost = new MillraceError('QUEUE_UNREACHABLE', 'no answer');
    expect(await tryWith(lost)).toEqual({ answer: 'QUEUE_UNREACHABLE', waits: [] });
  });
});
