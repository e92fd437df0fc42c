/** A dead letter in one shape, whatever queue it lies in: what it is, why it lies there, and whose work it is about. */
import { JOB_ID_PATTERN } from '../../manifests/job-key.ts';
import { type DeadLetterNote, NOTE_ATTRIBUTES, readNote, readReplays } from '../dead-letter-note.ts';
import { parseNotification } from '../notifications/notification.ts';
import type { ObjectEvent } from '../object-event.ts';

/** Text, or what a queue has beside text (SQS: `Number`, `Binary` and types of people's own). */
export type LetterAttribute =
  | string
  | { readonly type: string; readonly text: string }
  | { readonly type: string; readonly base64: string };

export type LetterAttributes = Readonly<Record<string, LetterAttribute>>;

export interface DeadLetter {
  /** The queue's own id of the message. */
  readonly id: string;
  /** As it was first sent. */
  readonly body: string;
  /** As they were first sent: what a dead letter says of itself is in `note`. */
  readonly attributes: LetterAttributes;
  /** Undefined where the queue's own policy put it there, which leaves no reason. */
  readonly note: DeadLetterNote | undefined;
  /** An error code, or MAX_RECEIVES. */
  readonly code: string;
  /** One sentence. */
  readonly reason: string;
  /** How often it has been sent again from a dead-letter queue. */
  readonly replays: number;
  /** When it was dead-lettered, else when it was sent; milliseconds since 1970, undefined where nobody knows. */
  readonly atMs: number | undefined;
  /** How often it was received before it came here; undefined where nobody counted. */
  readonly receiveCount: number | undefined;
  readonly events: readonly ObjectEvent[];
  /** Those that its events name, each once. */
  readonly jobs: readonly string[];
  /** `inputs`, `exports`, or the stage that a key lies in, each once. */
  readonly stages: readonly string[];
}

export interface RawLetter {
  readonly id: string;
  readonly body: string;
  /** With those of the note. */
  readonly attributes: LetterAttributes;
  /** Milliseconds since 1970. */
  readonly sentAtMs?: number | undefined;
}

/** The code of a letter without a note. */
export const MAX_RECEIVES = 'MAX_RECEIVES';
const MAX_RECEIVES_REASON = "Its queue gave up on it after too many receives; its consumer's log says why.";

/** `pipelinesPrefix`: `pipelines`; a trailing slash may be there. */
export function readLetter({ id, body, attributes, sentAtMs }: RawLetter, pipelinesPrefix: string): DeadLetter {
  const texts = textsOf(attributes);
  const note = readNote(texts);
  const parsed = parseNotification({ body, attributes: texts });
  const events = parsed.kind === 'events' ? parsed.events : [];
  const places = events.flatMap(({ key }) => placeOf(key, pipelinesPrefix) ?? []);
  const deadLetteredMs = Date.parse(note?.deadLetteredAt ?? '');
  return {
    id,
    body,
    attributes: withoutNote(attributes),
    note,
    code: note?.code ?? MAX_RECEIVES,
    reason: note?.reason ?? MAX_RECEIVES_REASON,
    replays: readReplays(texts),
    atMs: Number.isNaN(deadLetteredMs) ? sentAtMs : deadLetteredMs,
    receiveCount: note?.receiveCount,
    events,
    jobs: [...new Set(places.map(({ job }) => job))],
    stages: [...new Set(places.flatMap(({ stage }) => stage ?? []))],
  };
}

/** Attributes that are plain text. */
export function textsOf(attributes: LetterAttributes): Record<string, string> {
  const texts = Object.entries(attributes).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : [],
  );
  return Object.fromEntries(texts);
}

const NOTE_NAMES: ReadonlySet<string> = new Set(Object.values(NOTE_ATTRIBUTES));
/** What Pub/Sub adds to a message that it dead-letters. */
const PUBSUB_PREFIX = 'CloudPubSubDeadLetterSource';

function withoutNote(attributes: LetterAttributes): LetterAttributes {
  const own = Object.entries(attributes).filter(([name]) => !NOTE_NAMES.has(name) && !name.startsWith(PUBSUB_PREFIX));
  return Object.fromEntries(own);
}

interface Place {
  readonly job: string;
  /** Undefined for what lies at the job's root. */
  readonly stage: string | undefined;
}

/** Whatever bucket the key is of: an event of a refused bucket is looked for by its job too. */
function placeOf(key: string, pipelinesPrefix: string): Place | undefined {
  const prefix = `${pipelinesPrefix.replace(/\/+$/, '')}/`;
  if (!key.startsWith(prefix)) return undefined;
  const [job = '', folder = '', name, ...rest] = key.slice(prefix.length).split('/');
  if (!JOB_ID_PATTERN.test(job)) return undefined;
  if (name === undefined) return { job, stage: undefined };
  const hasStage = (folder === 'stage' || folder === 'results') && rest.length > 0;
  return { job, stage: hasStage ? name : folder };
}
