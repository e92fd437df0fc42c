import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holding, readXml, repeated, writeXml, XmlText } from '../../../../local/bucket/xml.ts';

const Document = holding({ Value: repeated(XmlText) });

test('what is written is read as the same, control characters and markup included', () => {
  const property = fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 4 }), (values) => {
    expect(readXml(writeXml('Root', { Value: values }), 'Root', Document).Value).toEqual(values);
  });
  fc.assert(property);
});

test.each([
  ['&amp;lt;', '&lt;'],
  ['&#x26;&#38;', '&&'],
  ['&unknown;', '&unknown;'],
  [' kept ', ' kept '],
  ['007', '007'],
])('the text %s is %j', (raw, expected) => {
  expect(readXml(`<Root><Value>${raw}</Value></Root>`, 'Root', Document).Value).toEqual([expected]);
});

test.each(['<Root>', '<Root></Other>', '', '<!DOCTYPE Root []><Root/>', '<Root><Value>&#xd800;</Value></Root>', '{"Root":{}}'])(
  '%j is malformed',
  (body) => {
    expect(() => readXml(body, 'Root', Document)).toThrow(expect.objectContaining({ code: 'MalformedXML' }));
  },
);
