/** Dead letters for tests. */
import { noteAttributes } from '../../../../consumers/dead-letter-note.ts';
import { type DeadLetter, type RawLetter, readLetter } from '../../../../consumers/dead-letters/dead-letter.ts';
import type { TakenLetter } from '../../../../consumers/dead-letters/letter-queue.ts';

export function notification(...keys: readonly string[]): string {
  const records = keys.map((key) => ({ eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'videos' }, object: { key } } }));
  return JSON.stringify({ Records: records });
}

export function noted(code: string, more: { readonly replays?: number; readonly deadLetteredAt?: string } = {}) {
  const rest = { deadLetteredAt: '2026-11-25T10:00:00.000Z', receiveCount: 2, replays: 0, ...more };
  return noteAttributes({ code, reason: `because ${code}`, ...rest });
}

export function letterOf(raw: Partial<RawLetter> = {}): DeadLetter {
  return readLetter({ id: 'id-1', body: '', attributes: {}, ...raw }, 'pipelines');
}

export function takenOf(raw: Partial<RawLetter> = {}): TakenLetter {
  const letter = letterOf(raw);
  return { letter, key: letter.id, receipt: letter.id };
}
