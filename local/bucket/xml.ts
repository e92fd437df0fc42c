/** XML in, without entities of its own or document types; XML out, escaped. */
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { S3Error } from './s3-error.ts';

export type XmlNode = string | number | boolean | undefined | XmlTree | readonly XmlNode[];
export interface XmlTree {
  readonly [element: string]: XmlNode;
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

const named = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** A whole document. Elements whose value is `undefined` are left out; an array repeats its element. */
export function writeXml(root: string, content: XmlTree | string): string {
  const namespace = root === 'Error' ? '' : ` xmlns="${NAMESPACE}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${inner(content)}</${root}>`;
}

function element(name: string, node: XmlNode): string {
  if (node === undefined) return '';
  if (Array.isArray(node)) return node.map((one: XmlNode) => element(name, one)).join('');
  return `<${name}>${inner(node)}</${name}>`;
}

function inner(node: Exclude<XmlNode, undefined>): string {
  if (typeof node !== 'object') return escapeText(String(node));
  return Object.entries(node)
    .map(([name, child]) => element(name, child))
    .join('');
}

/** Control characters become references: XML 1.0 has no way to write them, but S3 answers so, and SDKs read it. */
function escapeText(value: string): string {
  return (
    value
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped here
      .replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `&#x${character.charCodeAt(0).toString(16)};`)
  );
}

// Entities are decoded below, the five named ones and references by number: a body cannot define any.
const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  trimValues: false,
  removeNSPrefix: true,
  processEntities: false,
});

/** The content of the root element `root`, checked by `schema`. Throws MalformedXML. */
export function readXml<T>(body: string, root: string, schema: z.ZodType<T>): T {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(body)) throw new S3Error('MalformedXML');
  let document: unknown;
  try {
    document = parser.parse(body, true);
  } catch {
    throw new S3Error('MalformedXML');
  }
  const parsed = z.looseObject({ [root]: z.unknown() }).safeParse(document);
  if (!parsed.success || !Object.hasOwn(parsed.data, root)) throw new S3Error('MalformedXML');
  const content = schema.safeParse(parsed.data[root]);
  if (!content.success) throw new S3Error('MalformedXML');
  return content.data;
}

/** The text of an element. */
export const XmlText = z.string().transform((raw, context) => {
  const text = raw.replace(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]{2,4}));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return named.get(String(name)) ?? whole;
    const codePoint = hex === undefined ? Number.parseInt(String(decimal), 10) : Number.parseInt(String(hex), 16);
    return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : whole;
  });
  if (!text.isWellFormed()) context.addIssue('a reference to half a surrogate pair');
  return text;
});

/** An element that holds others. An empty one, which the parser takes for a text, is one in which all of them are missing. */
export function holding<T extends z.ZodRawShape>(children: T) {
  return z.preprocess((value) => (typeof value === 'string' && value.trim() === '' ? {} : value), z.looseObject(children));
}

/** An element that may be repeated, or not be there. */
export function repeated<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]), z.array(schema));
}
