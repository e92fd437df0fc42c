import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import { createLogger, type LogLevel, silentLogger } from '../../log.ts';

const Line = z.looseObject({ level: z.string(), time: z.iso.datetime(), name: z.string(), message: z.string() });

function recorder(level: LogLevel = 'debug') {
  const lines: string[] = [];
  const log = createLogger({ level, name: 'test', stream: { write: (line) => void lines.push(line) } });
  return { log, lines, last: () => Line.parse(JSON.parse(lines.at(-1) ?? '')) };
}

describe('the log', () => {
  it('writes one line of JSON for each event, in the fields that log viewers read', () => {
    const { log, lines, last } = recorder();
    log.info({ requestId: 'r-1' }, 'dispatched');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]+\n$/);
    expect(last()).toMatchObject({ level: 'info', name: 'test', message: 'dispatched', requestId: 'r-1' });
    expect(last()).not.toHaveProperty('pid');
  });

  it('says in every line of a child what it is about', () => {
    const { log, last } = recorder();
    log.child({ job: 'talk-1', stage: 'segmentation' }).child({ item: '7', attempt: 2 }).warn('again');
    expect(last()).toMatchObject({ job: 'talk-1', stage: 'segmentation', item: '7', attempt: 2, level: 'warn' });
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = recorder('warn');
    log.info('no');
    log.error('yes');
    expect(lines).toHaveLength(1);
    silentLogger.fatal('nowhere');
  });

  it('shows an error of ours by its facts, and no stack', () => {
    const { log, last } = recorder();
    const cause = new Error('GET https://b.example/k?X-Amz-Signature=abc');
    log.error({ error: new MillraceError('STORE_ERROR', 'refused', { cause, context: { key: 'a/b' }, fix: 'Do this.' }) }, 'x');
    expect(last().error).toEqual({
      ...{ code: 'STORE_ERROR', message: 'refused', retryable: false, fix: 'Do this.', key: 'a/b' },
      cause: 'GET https://b.example/k?…',
    });
  });

  it('shows any other error with its stack, and what is no error as text', () => {
    const { log, last } = recorder();
    log.error({ error: new TypeError('broken') }, 'x');
    expect(last().error).toMatchObject({ type: 'TypeError', message: 'broken', stack: expect.stringContaining('log.test') });
    log.error({ error: 'thrown text' }, 'x');
    expect(last().error).toEqual({ message: 'thrown text' });
  });

  it.each([
    new MillraceError('STORE_ERROR', 'PUT https://b.example/k?X-Amz-Signature=s3cret failed'),
    new Error('PUT https://b.example/k?X-Amz-Signature=s3cret failed'),
    'PUT https://b.example/k?X-Amz-Signature=s3cret failed',
  ])('cuts the query off every URL of an error: %s', (error) => {
    const { log, lines } = recorder();
    log.error({ error }, 'x');
    log.error({ err: error }, 'x');
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).not.toContain('s3cret');
  });
});
