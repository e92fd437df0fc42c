import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  checkMessageAttributes,
  type MessageAttributes,
  md5OfMessageAttributes,
  messageAttributesBytes,
  selectMessageAttributes,
} from '../../../../local/queue/message-attributes.ts';
import { checkCharacters } from '../../../../local/queue/message-text.ts';

const text = (value: string, type = 'String') => ({ DataType: type, StringValue: value });

describe('the MD5 of message attributes', () => {
  test('is the one that SQS answers for a recorded Number attribute', () => {
    const digest = md5OfMessageAttributes({ timestamp: text('1493147359900', 'Number') });
    expect(digest).toBe('235c5c510d26fb653d073faed50ae77c');
  });

  test('hashes, by ascending name, length-prefixed names, types and values, and one byte for the kind of value', () => {
    const bytes = Buffer.concat([
      Buffer.from([0, 0, 0, 1, 0x61, 0, 0, 0, 6]), // a, a type of six bytes
      Buffer.from('Binary'),
      Buffer.from([2, 0, 0, 0, 3, 1, 2, 3]),
      Buffer.from([0, 0, 0, 1, 0x62, 0, 0, 0, 11]), // b, a type of eleven
      Buffer.from('String.name'),
      Buffer.from([1, 0, 0, 0, 2, 0xc3, 0xa9]), // é in UTF-8
    ]);
    const digest = md5OfMessageAttributes({
      b: text('é', 'String.name'),
      a: { DataType: 'Binary', BinaryValue: Buffer.of(1, 2, 3).toString('base64') },
    });
    expect(digest).toBe(createHash('md5').update(bytes).digest('hex'));
  });

  test('is absent where there are no attributes', () => {
    expect(md5OfMessageAttributes({})).toBeUndefined();
  });
});

describe('which attributes a receive gets', () => {
  const attributes = { 'trace.id': text('1'), 'trace.span': text('2'), job: text('3') };
  test.each([
    [['All'], ['trace.id', 'trace.span', 'job']],
    [['.*'], ['trace.id', 'trace.span', 'job']],
    [['trace.*'], ['trace.id', 'trace.span']],
    [
      ['job', 'trace.id'],
      ['trace.id', 'job'],
    ],
    [['trace'], []],
    [[], []],
  ])('%j selects %j', (asked, selected) => {
    expect(Object.keys(selectMessageAttributes(attributes, asked))).toEqual(selected);
  });
});

describe('attributes that are refused', () => {
  const refused: readonly (readonly [string, MessageAttributes])[] = [
    ['an empty value', { a: text('') }],
    ['no type', { a: { StringValue: 'x' } }],
    ['an unknown type', { a: text('x', 'Text') }],
    ['a type that only begins like a known one', { a: text('x', 'Strings') }],
    ['a Binary with text', { a: text('x', 'Binary') }],
    ['a String with bytes', { a: { DataType: 'String', BinaryValue: 'AA==' } }],
    ['a Number that is none', { a: text('twelve', 'Number') }],
    ['a list', { a: { DataType: 'String', StringValue: 'x', StringListValues: ['x'] } }],
    ['a reserved name', { 'AWS.x': text('x') }],
    ['a reserved name in another case', { 'amazon.x': text('x') }],
    ['a name with a period first', { '.x': text('x') }],
    ['a name with a period last', { 'x.': text('x') }],
    ['a name with two periods running', { 'x..y': text('x') }],
    ['a name with a space', { 'x y': text('x') }],
    ['a name of 257 characters', { ['x'.repeat(257)]: text('x') }],
    ['eleven attributes', Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`a${i}`, text('x')]))],
    ['a control character', { a: text('\u0000') }],
  ];
  test.each(refused)('%s', (_, attributes) => {
    expect(() => checkMessageAttributes(attributes)).toThrow();
  });

  test.each(['-12.5e+3', '0', '.5', '5.'])('the number %s passes', (value) => {
    expect(() => checkMessageAttributes({ a: text(value, 'Number.float') })).not.toThrow();
  });
});

test('the size of attributes counts names, types and decoded values in bytes', () => {
  const binary = { DataType: 'Binary', BinaryValue: Buffer.alloc(30).toString('base64') };
  expect(messageAttributesBytes({ ab: text('é'), c: binary })).toBe(2 + 6 + 2 + 1 + 6 + 30);
});

describe('the characters of a message', () => {
  test.each(['\t\n\r ', 'plain', '\ud7ff\ue000\ufffd', '😀\u{10ffff}', '\u0085\u007f'])('%j are allowed', (body) => {
    expect(() => checkCharacters(body, 'message body')).not.toThrow();
  });

  test.each([
    ['\u0000', '#x0'],
    ['a\u001fb', '#x1F'],
    ['\u000b', '#xB'],
    ['\ud83d', '#xD83D'],
    ['\ude00\ud83d', '#xDE00'],
    ['\ufffe', '#xFFFE'],
    ['\uffff', '#xFFFF'],
  ])('%j is refused as %s', (body, code) => {
    expect(() => checkCharacters(body, 'message body')).toThrow(`'${code}' was found in the message body`);
  });
});
