/** One bucket notification, whatever cloud it came from. It means "look at this job again", never "do X". */
import type { MillraceError } from '../errors.ts';

export type EventSource = 's3' | 'minio' | 'ceph' | 'r2' | 'gcs';

export interface ObjectEvent {
  readonly bucket: string;
  /** Decoded: the key as the bucket lists it. */
  readonly key: string;
  /** `other`: something happened to the object, but its bytes are what they were (tags, retention, restore, tiering). */
  readonly kind: 'created' | 'removed' | 'other';
  /** Why it is `other`. */
  readonly reason?: string;
  /** Without quotes. */
  readonly etag?: string;
  readonly sizeBytes?: number;
  readonly versionId?: string;
  /** Cloud Storage's version of an object, in decimal digits: no JavaScript number holds every one of them. */
  readonly generation?: string;
  readonly timeMs?: number;
  /** Orders the events of one key, within one source: pad the shorter with zeros on its left, fold case, compare as text. */
  readonly sequencer?: string;
  readonly source: EventSource;
  /** What carried it from the store to the queue, where it left a mark on the message. */
  readonly via?: 'eventbridge' | 'sns';
}

/** What the body of a queue message turned out to be. */
export type ParsedNotification =
  | { readonly kind: 'events'; readonly events: readonly ObjectEvent[] }
  /** A notification that says nothing about an object, such as the one that comes when notifications are switched on. */
  | { readonly kind: 'ignored'; readonly reason: string }
  /** MESSAGE_NOT_JSON or MESSAGE_NOT_NOTIFICATION. */
  | { readonly kind: 'unreadable'; readonly error: MillraceError };
