import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bar, createTerminal, formatBytes, formatTable } from '../../../cli/terminal.ts';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [1_500_000, '1.5 MB'],
    [2_000_000_000, '2.0 GB'],
    [5e12, '5.0 TB'],
    [5e16, '50000.0 TB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('bar', () => {
  it.each([
    [0, '░'.repeat(20)],
    [0.5, '█'.repeat(10) + '░'.repeat(10)],
    [1, '█'.repeat(20)],
    [-1, '░'.repeat(20)],
    [7, '█'.repeat(20)],
  ])('of %d', (share, text) => {
    expect(bar(share)).toBe(text);
  });
});

describe('formatTable', () => {
  it('makes columns as wide as their widest cell, colours not counted, and ends no line with spaces', () => {
    const rows = [
      ['\u001b[32mab\u001b[39m', 'x', 'last one'],
      ['abcd', '', ''],
    ];
    expect(formatTable(rows)).toEqual(['\u001b[32mab\u001b[39m    x  last one', 'abcd']);
    expect(formatTable([])).toEqual([]);
  });
});

describe('a terminal', () => {
  afterEach(() => vi.unstubAllEnvs());

  function open(stream: { isTTY?: boolean; columns?: number }) {
    const out = Object.assign(new PassThrough().setEncoding('utf8'), stream) as unknown as NodeJS.WriteStream;
    const error = new PassThrough().setEncoding('utf8');
    const terminal = createTerminal(out, error as unknown as NodeJS.WriteStream);
    return { terminal, out: () => String(out.read() ?? ''), error: () => String(error.read() ?? '') };
  }

  it('sends data to stdout and words to stderr', () => {
    const { terminal, out, error } = open({});
    terminal.print('data');
    terminal.note('words');
    expect([out(), error()]).toEqual(['data\n', 'words\n']);
  });

  it('can draw over only what is a terminal that understands it', () => {
    vi.stubEnv('TERM', 'xterm');
    expect(open({}).terminal.isLive).toBe(false);
    expect(open({ isTTY: true }).terminal.isLive).toBe(true);
    vi.stubEnv('TERM', 'dumb');
    expect(open({ isTTY: true }).terminal.isLive).toBe(false);
  });

  it('draws over as many lines as it drew last, and cuts those that would wrap', () => {
    vi.stubEnv('TERM', 'xterm');
    const { terminal, out } = open({ isTTY: true, columns: 8 });
    terminal.redraw(['one', 'two']);
    expect(out()).toBe('\u001b[Jone\ntwo\n');
    terminal.redraw(['0123456789']);
    expect(out()).toBe('\u001b[2A\u001b[J0123456…\n');
    terminal.redraw(['end']);
    expect(out()).toBe('\u001b[1A\u001b[Jend\n');
  });
});
