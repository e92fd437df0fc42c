/** A message's attributes: their shape, their rules, and the MD5 by which senders and receivers check them. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { SqsFault } from './faults.ts';
import { MAX_MESSAGE_ATTRIBUTES } from './limits.ts';
import { checkCharacters, utf8Bytes } from './message-text.ts';

const MessageAttribute = z.object({
  DataType: z.string().optional(),
  StringValue: z.string().optional(),
  /** Base64. */
  BinaryValue: z.string().optional(),
  StringListValues: z.array(z.string()).optional(),
  BinaryListValues: z.array(z.string()).optional(),
});
export const MessageAttributes = z.record(z.string(), MessageAttribute);
export type MessageAttributes = z.infer<typeof MessageAttributes>;
type MessageAttribute = z.infer<typeof MessageAttribute>;

const NAME_PATTERN = /^(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/;
const RESERVED_NAME = /^(aws|amazon)\./i;
const TYPE_PATTERN = /^(String|Number|Binary)(\.[\s\S]+)?$/;
const MAX_TYPE_CHARACTERS = 256;
const NUMBER_PATTERN = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$/;

const refuse = (message: string) => new SqsFault('InvalidParameterValueException', message);

/** Throws InvalidParameterValue, InvalidMessageContents, UnsupportedOperation. */
export function checkMessageAttributes(attributes: MessageAttributes): void {
  const names = Object.keys(attributes);
  if (names.length > MAX_MESSAGE_ATTRIBUTES) {
    throw refuse(`Number of message attributes [${names.length}] exceeds the allowed maximum [${MAX_MESSAGE_ATTRIBUTES}].`);
  }
  for (const [name, attribute] of Object.entries(attributes)) {
    if (!NAME_PATTERN.test(name) || RESERVED_NAME.test(name)) {
      throw refuse(
        'The message attribute name is invalid: up to 256 of A-Z, a-z, 0-9, underscore, hyphen and period, no period ' +
          'first, last or twice running, and neither "AWS." nor "Amazon." first.',
      );
    }
    checkValue(name, attribute);
  }
}

function checkValue(name: string, attribute: MessageAttribute): void {
  const { DataType, StringValue, BinaryValue, StringListValues, BinaryListValues } = attribute;
  if ((StringListValues?.length ?? 0) > 0 || (BinaryListValues?.length ?? 0) > 0) {
    throw new SqsFault('UnsupportedOperation', 'Message attribute list values in SendMessage operation are not supported.');
  }
  if (DataType === undefined || DataType === '') {
    throw refuse(`The message attribute '${name}' must contain a non-empty message attribute type.`);
  }
  if (!TYPE_PATTERN.test(DataType) || DataType.length > MAX_TYPE_CHARACTERS) {
    throw refuse(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is ` +
        'Binary, Number, and String.',
    );
  }
  checkCharacters(DataType, `type of message attribute ${name}`);
  if (isBinary(attribute)) {
    if (StringValue !== undefined || BinaryValue === undefined || BinaryValue === '') {
      throw refuse(`The message attribute '${name}' with type 'Binary' must use field 'Binary'.`);
    }
    return;
  }
  if (BinaryValue !== undefined || StringValue === undefined || StringValue === '') {
    throw refuse(`The message attribute '${name}' with type '${DataType}' must use field 'String'.`);
  }
  checkCharacters(StringValue, `message attribute ${name}`);
  if (/^Number(\.|$)/.test(DataType) && !NUMBER_PATTERN.test(StringValue)) {
    throw refuse(`Can't cast the value of message (user) attribute '${name}' to a number.`);
  }
}

/** What the attributes add to their message's size: names, types and values. */
export function messageAttributesBytes(attributes: MessageAttributes): number {
  return Object.entries(attributes).reduce(
    (total, [name, attribute]) => total + utf8Bytes(name) + utf8Bytes(attribute.DataType ?? '') + valueBytes(attribute).length,
    0,
  );
}

/**
 * The algorithm of the developer guide, "Calculating the MD5 message digest for message attributes": by ascending name, the
 * name, the type and the value, each behind its length in four big-endian bytes, the value also behind one byte that says
 * whether it is text (1) or binary (2). Undefined where there are none, as SQS then answers no digest.
 */
export function md5OfMessageAttributes(attributes: MessageAttributes): string | undefined {
  const sorted = Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (sorted.length === 0) return undefined;
  const hash = createHash('md5');
  const sized = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const [name, attribute] of sorted) {
    sized(Buffer.from(name));
    sized(Buffer.from(attribute.DataType ?? ''));
    hash.update(Buffer.of(isBinary(attribute) ? 2 : 1));
    sized(valueBytes(attribute));
  }
  return hash.digest('hex');
}

/** Those that a receive asks for: exact names, `All` or `.*`, `prefix.*`. */
export function selectMessageAttributes(attributes: MessageAttributes, names: readonly string[]): MessageAttributes {
  const wanted = (name: string) =>
    names.some(
      (asked) =>
        asked === 'All' || asked === '.*' || asked === name || (asked.endsWith('.*') && name.startsWith(asked.slice(0, -1))),
    );
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => wanted(name)));
}

export function md5OfText(text: string): string {
  return createHash('md5').update(text, 'utf8').digest('hex');
}

function isBinary(attribute: MessageAttribute): boolean {
  return attribute.DataType?.startsWith('Binary') === true;
}

function valueBytes(attribute: MessageAttribute): Buffer {
  return isBinary(attribute) ? Buffer.from(attribute.BinaryValue ?? '', 'base64') : Buffer.from(attribute.StringValue ?? '');
}
