/** Message attributes of SQS as a letter keeps them, and back. */
import type { MessageAttributeValue } from '@aws-sdk/client-sqs';
import type { LetterAttribute, LetterAttributes } from './dead-letter.ts';

type SqsAttributes = Record<string, MessageAttributeValue>;

export function readSqsAttributes(attributes: SqsAttributes = {}): LetterAttributes {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, readAttribute(value)]));
}

function readAttribute({
  DataType: type = 'String',
  StringValue: text,
  BinaryValue: bytes,
}: MessageAttributeValue): LetterAttribute {
  if (bytes !== undefined) return { type, base64: Buffer.from(bytes).toString('base64') };
  return type === 'String' ? (text ?? '') : { type, text: text ?? '' };
}

export function sqsAttributes(attributes: LetterAttributes): SqsAttributes {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, sqsAttribute(value)]));
}

function sqsAttribute(value: LetterAttribute): MessageAttributeValue {
  if (typeof value === 'string') return { DataType: 'String', StringValue: value };
  if ('text' in value) return { DataType: value.type, StringValue: value.text };
  return { DataType: value.type, BinaryValue: Buffer.from(value.base64, 'base64') };
}

/** As SQS counts them: name, type and value. */
export function sqsBytes(body: string, attributes: LetterAttributes): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, value] of Object.entries(attributes)) {
    const [type, content] =
      typeof value === 'string' ? ['String', value] : [value.type, 'text' in value ? value.text : value.base64];
    bytes += Buffer.byteLength(name) + Buffer.byteLength(type) + Buffer.byteLength(content);
  }
  return bytes;
}
