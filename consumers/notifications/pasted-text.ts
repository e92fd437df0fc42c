/**
 * What people have in hand when they ask what a message means: its body, or all that a queue answered, with the messages inside.
 * A queue's consumer never sees these: it is given one message at a time.
 */
import type { ParsedNotification } from '../object-event.ts';
import { fieldOf } from './fields.ts';
import { readGcsAttributes, readGcsResource } from './gcs.ts';
import { readMessageJson } from './message-json.ts';
import { parseNotification, readNotification } from './notification.ts';
import { readPubsubMessage } from './pubsub-message.ts';
import { notJson, notNotification } from './unreadable.ts';

export interface PastedMessage {
  /** Such as `Messages[0]`; empty where the text is one message. */
  readonly where: string;
  readonly parsed: ParsedNotification;
}

/** Never throws. */
export function parsePastedText(text: string): readonly PastedMessage[] {
  const json = readMessageJson(text);
  if (!json.ok) return [{ where: '', parsed: notJson(json.why) }];
  const list = listIn(json.value);
  if (list === undefined) return [{ where: '', parsed: readMessage(json.value) }];
  if (list.messages.length === 0) return [{ where: '', parsed: { kind: 'ignored', reason: 'no message in it' } }];
  return list.messages.map((message, index) => ({ where: `${list.name}[${index}]`, parsed: readMessage(message) }));
}

interface MessageList {
  readonly name: string;
  readonly messages: readonly unknown[];
}

/** The messages of a queue's answer, or of what a function was called with. */
function listIn(value: unknown): MessageList | undefined {
  const lists: readonly (readonly [name: string, list: unknown])[] = [
    // A command line prints what it pulled without a name.
    ['', value],
    ['Messages', fieldOf(value, 'Messages')],
    // Not the field of the same name beside `result`: there Cloudflare sends remarks.
    ['result.messages', fieldOf(fieldOf(value, 'result'), 'messages')],
    ['receivedMessages', fieldOf(value, 'receivedMessages')],
  ];
  for (const [name, list] of lists) if (Array.isArray(list)) return { name, messages: list };
  const records = fieldOf(value, 'Records');
  // A bucket's own records have no body: they are one message.
  return Array.isArray(records) && records.some((record) => bodyOf(record) !== undefined)
    ? { name: 'Records', messages: records }
    : undefined;
}

function readMessage(message: unknown): ParsedNotification {
  const body = bodyOf(message);
  if (typeof body === 'string') return parseNotification({ body });
  if (body !== undefined) return readNotification(body);
  const pubsub = readPubsubMessage(message);
  if (pubsub === undefined) return readGcsResource(message) ?? readNotification(message);
  return readGcsAttributes(pubsub.attributes, pubsub.data) ?? readData(pubsub.data);
}

/** The payload of a Pub/Sub message without the attributes of a notification. */
function readData(data: string): ParsedNotification {
  if (data === '') return notNotification('a Pub/Sub message has no data, and no attributes of a notification of Cloud Storage');
  const json = readMessageJson(data);
  return json.ok ? (readGcsResource(json.value) ?? readNotification(json.value)) : notJson(json.why);
}

/** SQS and Cloudflare call it a body, whichever the case of its first letter; a topic's call of a function has `Sns`. */
function bodyOf(message: unknown): unknown {
  return fieldOf(message, 'Body') ?? fieldOf(message, 'body') ?? fieldOf(message, 'Sns') ?? undefined;
}
