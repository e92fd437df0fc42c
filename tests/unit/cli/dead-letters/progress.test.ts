import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createProgress } from '../../../../cli/dead-letters/progress.ts';

describe('progress', () => {
  beforeEach(() => void vi.stubEnv('TERM', 'xterm'));
  afterEach(() => void vi.unstubAllEnvs());

  function open(isTTY: boolean) {
    const stream = Object.assign(new PassThrough().setEncoding('utf8'), { isTTY });
    let nowMs = 0;
    const progress = createProgress(stream as unknown as NodeJS.WriteStream, () => nowMs);
    return { progress, written: () => String(stream.read() ?? ''), pass: (ms: number) => (nowMs += ms) };
  }

  test('is one line of a terminal, drawn over at most ten times a second, and gone at the end', () => {
    const { progress, written, pass } = open(true);
    pass(2_000);
    progress.update(100, 400);
    expect(written()).toBe(`\r\u001b[K${'█'.repeat(5)}${'░'.repeat(15)} 100/400, 50 a second`);
    progress.update(101, 400);
    expect(written()).toBe('');
    pass(100);
    progress.update(500, 400);
    expect(written()).toBe('\r\u001b[K500 letters, 238 a second');
    progress.note('a note');
    expect(written()).toBe('\r\u001b[Ka note\n500 letters, 238 a second');
    progress.end();
    progress.end();
    expect(written()).toBe('\r\u001b[K');
  });

  test('writes nothing but notes where stderr is no terminal', () => {
    const { progress, written, pass } = open(false);
    pass(1_000);
    progress.update(1, 2);
    progress.note('a note');
    progress.end();
    expect(written()).toBe('a note\n');
  });
});
