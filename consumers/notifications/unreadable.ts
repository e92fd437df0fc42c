/** Messages that nobody can read. Their errors name fields and lengths, never text of the message: it can hold anything. */
import type { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import type { ParsedNotification } from '../object-event.ts';

export function notJson(why: string): ParsedNotification {
  return unreadable('MESSAGE_NOT_JSON', `a message is not JSON: ${why}`);
}

export function notNotification(message: string): ParsedNotification {
  return unreadable('MESSAGE_NOT_NOTIFICATION', message);
}

/** Says which of its fields is wrong. `what` is what it should have been. */
export function wrongField(where: string, what: string, error: z.ZodError): ParsedNotification {
  const field = error.issues[0]?.path.join('.') ?? '';
  return notNotification(`${where} is no ${what}: ${field === '' ? 'it is no object' : `see its ${field}`}`);
}

function unreadable(code: 'MESSAGE_NOT_JSON' | 'MESSAGE_NOT_NOTIFICATION', message: string): ParsedNotification {
  return { kind: 'unreadable', error: new MillraceError(code, message) };
}
