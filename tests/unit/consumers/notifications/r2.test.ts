import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNotification } from '../../../../consumers/notifications/notification.ts';
import type { ObjectEvent } from '../../../../consumers/object-event.ts';

function r2(overrides: object = {}): string {
  const object = { key: 'pipelines/j/x', size: 7, eTag: 'e' };
  const event = { account: 'a1', action: 'PutObject', bucket: 'videos', object, eventTime: '2026-01-02T03:04:05.678Z' };
  return JSON.stringify({ ...event, ...overrides });
}
const base64 = (text: string) => Buffer.from(text).toString('base64');

function only(body: string): ObjectEvent {
  const parsed = parseNotification({ body });
  if (parsed.kind !== 'events' || parsed.events.length !== 1)
    throw new Error(`expected one event, found ${JSON.stringify(parsed)}`);
  return parsed.events[0] ?? expect.unreachable();
}

const EVENT = {
  bucket: 'videos',
  key: 'pipelines/j/x',
  kind: 'created',
  source: 'r2',
  etag: 'e',
  sizeBytes: 7,
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
};

describe('a body of R2', () => {
  test.each([
    ['plain', r2()],
    ['base64', base64(r2())],
    ['base64 in the alphabet of URLs', Buffer.from(r2()).toString('base64url')],
    ['base64 in lines', base64(r2()).replace(/(.{76})/g, '$1\r\n')],
    ['quoted once more', JSON.stringify(r2())],
    ['base64, quoted', JSON.stringify(base64(r2()))],
    ['indented', JSON.stringify(JSON.parse(r2()), null, 2)],
  ])('%s is read', (_form, body) => {
    expect(only(body)).toEqual(EVENT);
  });

  test.each([
    ['plain', (body: string) => body],
    ['base64', base64],
  ])('%s: any key comes back as it was', (_form, encode) => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'binary' }).filter((key) => key.isWellFormed()),
        (key) => {
          expect(only(encode(r2({ object: { key } }))).key).toBe(key);
        },
      ),
    );
  });

  test.each(['a%20b+c', 'a+b', '100%', ' a / b ', '%2525'])('the key %j is not decoded', (key) => {
    expect(only(r2({ object: { key } })).key).toBe(key);
  });
});

test.each([
  ['PutObject', 'created'],
  ['CopyObject', 'created'],
  ['CompleteMultipartUpload', 'created'],
  ['DeleteObject', 'removed'],
  ['LifecycleDeletion', 'removed'],
  ['constructor', 'other'],
  ['PutObjectTagging', 'other'],
])('%s is %s', (action, kind) => {
  const event = only(r2({ action, object: { key: 'k' } }));
  expect(event.kind).toBe(kind);
  expect(event.reason).toBe(kind === 'other' ? `${action} is no change of content` : undefined);
});

test('a removal has no size, no etag and no version', () => {
  expect(only(r2({ action: 'DeleteObject', object: { key: 'k' }, eventTime: undefined }))).toEqual({
    bucket: 'videos',
    key: 'k',
    kind: 'removed',
    source: 'r2',
  });
});

test.each([
  [{ bucket: undefined }, 'bucket'],
  [{ object: {} }, 'object.key'],
  [{ object: { key: '' } }, 'object.key'],
  [{ object: 'x' }, 'object'],
  [{ action: '' }, 'action'],
])('%j cannot be read, and the field is named', (overrides, field) => {
  expect(parseNotification({ body: r2(overrides) })).toMatchObject({
    kind: 'unreadable',
    error: { code: 'MESSAGE_NOT_NOTIFICATION', message: `a message is no event of R2: see its ${field}` },
  });
});

test('base64 of something else is not JSON', () => {
  for (const body of [base64('hello world'), Buffer.from([0xff, 0xfe, 0x00]).toString('base64')])
    expect(parseNotification({ body })).toMatchObject({ kind: 'unreadable', error: { code: 'MESSAGE_NOT_JSON' } });
});
