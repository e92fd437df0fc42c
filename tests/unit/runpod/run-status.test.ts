import { describe, expect, it } from 'vitest';
import { parseRunStatus } from '../../../runpod/run-status.ts';

const parse = (document: unknown) => parseRunStatus(JSON.stringify(document));

describe('parseRunStatus', () => {
  it.each([
    ['IN_QUEUE', 'queued'],
    ['IN_PROGRESS', 'running'],
    ['RUNNING', 'running'],
    ['COMPLETED', 'completed'],
    ['FAILED', 'failed'],
    ['CANCELLED', 'cancelled'],
    ['TIMED_OUT', 'timed-out'],
  ])('reads %s as %s', (status, kind) => {
    expect(parse({ id: 'x', status })?.kind).toBe(kind);
  });

  it('keeps the output and the execution time of a completed run', () => {
    const document = { id: 'x', status: 'COMPLETED', delayTime: 5, executionTime: 1234, output: { statusCode: 200 } };
    expect(parse(document)).toEqual({ kind: 'completed', output: { statusCode: 200 }, executionMs: 1234 });
  });

  it('leaves out what RunPod sends as null', () => {
    expect(parse({ status: 'COMPLETED', output: null, executionTime: null })).toEqual({ kind: 'completed' });
  });

  it("keeps the worker's error text as it is, and turns anything else into text", () => {
    const text = '{"code":"GPU_FAILED","message":"no encoder","retryable":true}';
    expect(parse({ status: 'FAILED', error: text })).toEqual({ kind: 'failed', error: text });
    expect(parse({ status: 'FAILED', error: { type: 'x' } })).toEqual({ kind: 'failed', error: '{"type":"x"}' });
    expect(parse({ status: 'FAILED' })).toEqual({ kind: 'failed', error: 'RunPod gave no reason.' });
  });

  it('cuts long errors and the signatures in them', () => {
    const status = parse({ status: 'FAILED', error: `https://b.example/x?X-Amz-Signature=deadbeef ${'y'.repeat(10_000)}` });
    if (status?.kind !== 'failed') throw new Error('not failed');
    expect(status.error).toHaveLength(4096);
    expect(status.error).not.toContain('deadbeef');
  });

  it.each(['', 'null', '[]', '{}', '{"status":"PAUSED"}', '<html>'])('knows no status in %j', (text) => {
    expect(parseRunStatus(text)).toBeUndefined();
  });
});
