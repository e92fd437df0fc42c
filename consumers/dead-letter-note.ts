/**
 * What a dead letter says of itself: why it lies there, and how often it has been sent again. Queues with message attributes carry
 * it there, each field under its own name; Cloudflare Queues have none, so it stands around the body.
 */
import { z } from 'zod';
import type { MillraceError } from '../errors.ts';

export interface DeadLetterNote {
  /** An error code of ours. */
  readonly code: string;
  /** One sentence. */
  readonly reason: string;
  /** ISO 8601. */
  readonly deadLetteredAt: string;
  /** How often it had been received by then. */
  readonly receiveCount: number;
  /** How often it has been sent again from a dead-letter queue. */
  readonly replays: number;
}

/** SQS's limit for a message attribute is that of the message, Pub/Sub's is 1,024 bytes; a reason is a sentence. */
const MAX_REASON_BYTES = 1_000;

/** Attribute names. Carried by a message that is sent again too, but for the replay count without meaning there. */
export const NOTE_ATTRIBUTES = {
  code: 'millrace-code',
  reason: 'millrace-reason',
  deadLetteredAt: 'millrace-dead-lettered-at',
  receiveCount: 'millrace-receive-count',
  replays: 'millrace-replays',
} as const;

export interface DeadLettered {
  readonly error: MillraceError;
  readonly receiveCount: number;
  readonly replays: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export function createNote({ error, receiveCount, replays, nowMs }: DeadLettered): DeadLetterNote {
  const deadLetteredAt = new Date(nowMs).toISOString();
  return { code: error.code, reason: printable(error.message), deadLetteredAt, receiveCount, replays };
}

export function noteAttributes(note: DeadLetterNote): Record<string, string> {
  return {
    [NOTE_ATTRIBUTES.code]: note.code,
    [NOTE_ATTRIBUTES.reason]: note.reason,
    [NOTE_ATTRIBUTES.deadLetteredAt]: note.deadLetteredAt,
    [NOTE_ATTRIBUTES.receiveCount]: String(note.receiveCount),
    [NOTE_ATTRIBUTES.replays]: String(note.replays),
  };
}

/** The note that attributes carry; undefined for a message that its queue dead-lettered by itself. */
export function readNote(attributes: Readonly<Record<string, string | undefined>>): DeadLetterNote | undefined {
  const code = attributes[NOTE_ATTRIBUTES.code];
  if (code === undefined) return undefined;
  return {
    code,
    reason: attributes[NOTE_ATTRIBUTES.reason] ?? '',
    deadLetteredAt: attributes[NOTE_ATTRIBUTES.deadLetteredAt] ?? '',
    receiveCount: wholeNumber(attributes[NOTE_ATTRIBUTES.receiveCount]),
    replays: readReplays(attributes),
  };
}

/** 0 where a message was never sent again. */
export function readReplays(attributes: Readonly<Record<string, string | undefined>>): number {
  return wholeNumber(attributes[NOTE_ATTRIBUTES.replays]);
}

const Envelope = z.object({
  millrace: z.object({ note: z.record(z.string(), z.string()) }),
  body: z.string(),
});

/** For a queue without attributes: the body with the note around it. */
export function wrapBody(body: string, attributes: Readonly<Record<string, string>>): string {
  return JSON.stringify({ millrace: { note: attributes }, body } satisfies z.infer<typeof Envelope>);
}

/** The body as it was first sent, and what `wrapBody` put around it; a body without anything around it comes back as it is. */
export function unwrapBody(text: string): { readonly body: string; readonly attributes: Readonly<Record<string, string>> } {
  if (!text.startsWith('{"millrace":')) return { body: text, attributes: {} };
  try {
    const { body, millrace } = Envelope.parse(JSON.parse(text));
    return { body, attributes: millrace.note };
  } catch {
    return { body: text, attributes: {} };
  }
}

function wholeNumber(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/** SQS refuses control characters and empty values; both limits are in bytes. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
  const plain = text.replaceAll(/[\u0000-\u001f\u007f\ufffe\uffff]/g, ' ').toWellFormed() || 'unknown';
  return new TextDecoder().decode(new TextEncoder().encode(plain).subarray(0, MAX_REASON_BYTES)).replace(/\ufffd+$/, '');
}
