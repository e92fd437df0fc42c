import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Origin, rangeOf, startOrigin } from '../../../../cli/demo/origin.ts';

test.each([
  ['bytes=0-', { start: 0, end: 99 }],
  ['bytes=5-9', { start: 5, end: 9 }],
  ['bytes=90-200', { start: 90, end: 99 }],
  ['bytes=-10', { start: 90, end: 99 }],
  ['bytes=100-', null],
  ['bytes=9-5', null],
  ['bytes=-', null],
  ['lines=1-2', null],
])('rangeOf(%j, 100) is %j', (header, span) => {
  expect(rangeOf(header, 100)).toEqual(span);
});

describe('startOrigin', () => {
  let directory: string;
  let origin: Origin;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-demo-origin-'));
    const file = join(directory, 'file');
    await writeFile(file, '0123456789');
    origin = await startOrigin(new Map([['talk.m4a', file]]));
  });
  afterEach(async () => {
    await origin.close();
    await rm(directory, { recursive: true });
  });

  test('serves a file, a range of it, and nothing else', async () => {
    const whole = await fetch(origin.url('talk.m4a'));
    const part = await fetch(origin.url('talk.m4a'), { headers: { range: 'bytes=2-4' } });
    const beyond = await fetch(origin.url('talk.m4a'), { headers: { range: 'bytes=10-' } });
    const other = await fetch(origin.url('../file'));

    expect([whole.status, await whole.text()]).toEqual([200, '0123456789']);
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234']);
    expect([beyond.status, other.status]).toEqual([416, 404]);
  });
});
