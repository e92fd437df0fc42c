/** A Pub/Sub message written down as JSON: pushed, pulled, or inside of Eventarc's CloudEvent. */
import { fieldOf } from './fields.ts';

export interface PubsubMessage {
  readonly attributes: unknown;
  /** Base64, as JSON cannot hold bytes. */
  readonly data: string;
}

/**
 * `undefined` where the value holds none. A message has attributes, data or both; the names that push subscriptions send a second
 * time, in snake case, are not looked at.
 */
export function readPubsubMessage(value: unknown): PubsubMessage | undefined {
  const message = fieldOf(value, 'message') ?? fieldOf(fieldOf(value, 'data'), 'message') ?? value;
  const attributes = fieldOf(message, 'attributes');
  const data = fieldOf(message, 'data');
  if (typeof data !== 'string' && (typeof attributes !== 'object' || attributes === null)) return undefined;
  return { attributes, data: typeof data === 'string' ? data : '' };
}
