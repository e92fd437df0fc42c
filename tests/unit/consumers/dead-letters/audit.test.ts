import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLine, type AuditScope, openAudit, readHistory } from '../../../../consumers/dead-letters/audit.ts';

const scope: AuditScope = { action: 'replay', from: 'dead', to: 'main' };

describe('the audit', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-audit-'));
    file = join(folder, 'deep', 'audit.jsonl');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const line = (step: AuditLine['step'], id: string, key = id): AuditLine => {
    return { step, id, key, reason: 'KEY_INVALID', jobs: ['a'], stages: [], replays: 1 };
  };
  async function write(lines: readonly AuditLine[], of: AuditScope = scope): Promise<void> {
    const audit = await openAudit({ ...of, file, run: 'run-1', now: () => 0 });
    await audit.write(lines);
    await audit.close();
  }

  test('is one line a step, and says what, when, of whom, from where and to where', async () => {
    await write([line('intent', 'a'), line('sent', 'b', 'b#1')]);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines.map((text) => JSON.parse(text))).toEqual([
      {
        ...{ at: '1970-01-01T00:00:00.000Z', run: 'run-1', action: 'replay', step: 'intent', id: 'a' },
        ...{ reason: 'KEY_INVALID', jobs: ['a'], stages: [], replays: 1, from: 'dead', to: 'main' },
      },
      expect.objectContaining({ step: 'sent', id: 'b', key: 'b#1' }),
    ]);
  });

  test('tells the next run what was sent and not removed, and what nobody knows of', async () => {
    await write(['a', 'b', 'c', 'd'].map((id) => line('intent', id)));
    await write([line('sent', 'a'), line('sent', 'b', 'b#1'), line('failed', 'c'), line('removed', 'a')]);
    await write([line('quarantined', 'd')]);
    expect(await readHistory(file, scope)).toEqual({ sent: new Set(['b#1']), uncertain: new Set(['b', 'd']) });
  });

  test('a letter that was sent and could not be removed stays sent', async () => {
    await write([line('intent', 'a'), line('sent', 'a'), line('failed', 'a')]);
    expect(await readHistory(file, scope)).toEqual({ sent: new Set(['a']), uncertain: new Set() });
  });

  test.each<Partial<AuditScope>>([{ action: 'copy' }, { from: 'other' }, { to: 'other' }, { to: null }])(
    'of another kind of run (%o) is not heard',
    async (other) => {
      await write([line('sent', 'a')], { ...scope, ...other });
      expect(await readHistory(file, scope)).toEqual({ sent: new Set(), uncertain: new Set() });
    },
  );

  test('goes on after a line that a crash has torn, and passes over what is no line of its own', async () => {
    await write([line('sent', 'a')]);
    await appendFile(file, 'something else\n{"action":"replay","step":"se');
    await write([line('sent', 'b')]);
    expect((await readHistory(file, scope)).sent).toEqual(new Set(['a', 'b']));
  });

  test('that cannot be written or read is an error that names it', async () => {
    await writeFile(join(folder, 'plain'), '');
    file = join(folder, 'plain', 'audit.jsonl');
    await expect(write([])).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining(file) });
    await expect(readHistory(file, scope)).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining(file) });
  });
});
