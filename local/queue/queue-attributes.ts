/** The attributes of a queue that can be set: their bounds, their defaults, and what they mean once read. Pure. */
import { invalidParameter, SqsFault } from './faults.ts';
import { MAX_DELAY_SECONDS, MAX_PAYLOAD_BYTES, MAX_VISIBILITY_SECONDS, MAX_WAIT_SECONDS } from './limits.ts';
import {
  jsonOf,
  parseRedriveAllowPolicy,
  parseRedrivePolicy,
  type RedriveAllowPolicy,
  type RedrivePolicy,
  samePolicy,
} from './redrive.ts';

/** Only what was set; everything else has its default. Values are text, as on the wire. */
export type SetAttributes = Readonly<Record<string, string>>;

export interface QueueSettings {
  readonly visibilityTimeoutSeconds: number;
  readonly delaySeconds: number;
  readonly maximumMessageBytes: number;
  readonly retentionSeconds: number;
  readonly receiveWaitSeconds: number;
  readonly redrive: RedrivePolicy | undefined;
  readonly redriveAllow: RedriveAllowPolicy | undefined;
}

const NUMBERS = {
  VisibilityTimeout: { least: 0, most: MAX_VISIBILITY_SECONDS, standard: 30 },
  DelaySeconds: { least: 0, most: MAX_DELAY_SECONDS, standard: 0 },
  MaximumMessageSize: { least: 1_024, most: MAX_PAYLOAD_BYTES, standard: MAX_PAYLOAD_BYTES },
  MessageRetentionPeriod: { least: 60, most: 1_209_600, standard: 345_600 },
  ReceiveMessageWaitTimeSeconds: { least: 0, most: MAX_WAIT_SECONDS, standard: 0 },
} as const;
type NumberName = keyof typeof NUMBERS;
const isNumberName = (name: string): name is NumberName => Object.hasOwn(NUMBERS, name);

/** JSON documents, removed by setting them to ''. */
const DOCUMENTS: readonly string[] = ['Policy', 'RedrivePolicy', 'RedriveAllowPolicy'];

/** Attributes whose silent acceptance would promise something that does not happen here. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  FifoQueue: 'FIFO queues are not supported by this local queue; use a standard queue.',
  ContentBasedDeduplication: 'FIFO queues are not supported by this local queue.',
  DeduplicationScope: 'FIFO queues are not supported by this local queue.',
  FifoThroughputLimit: 'FIFO queues are not supported by this local queue.',
  KmsMasterKeyId: 'Messages are not encrypted at rest by this local queue.',
  KmsDataKeyReusePeriodSeconds: 'Messages are not encrypted at rest by this local queue.',
};

/** Every name that GetQueueAttributes may be asked for. */
const READ_ONLY: readonly string[] = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesDelayed',
  'ApproximateNumberOfMessagesNotVisible',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
  'QueueArn',
];
const READABLE = new Set([
  ...Object.keys(NUMBERS),
  ...DOCUMENTS,
  ...READ_ONLY,
  ...Object.keys(UNSUPPORTED),
  'SqsManagedSseEnabled',
]);

/** Throws InvalidAttributeName. */
export function checkAttributeNames(names: readonly string[]): void {
  for (const name of names) if (name !== 'All' && !READABLE.has(name)) throw unknownAttribute(name);
}

/** Throws InvalidAttributeName, InvalidAttributeValue, InvalidParameterValue. */
export function checkAttributes(attributes: SetAttributes): void {
  for (const [name, value] of Object.entries(attributes)) checkAttribute(name, value);
}

function checkAttribute(name: string, value: string): void {
  const unsupported = Object.hasOwn(UNSUPPORTED, name) ? UNSUPPORTED[name] : undefined;
  if (unsupported !== undefined) throw invalidParameter(name, value, unsupported);
  if (isNumberName(name)) {
    const { least, most } = NUMBERS[name];
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) throw invalidAttribute(name);
    return;
  }
  if (name === 'SqsManagedSseEnabled') {
    if (value !== 'false') throw invalidParameter(name, value, 'Messages are not encrypted at rest by this local queue.');
    return;
  }
  if (!DOCUMENTS.includes(name)) throw unknownAttribute(name);
  if (value === '') return;
  if (name === 'RedrivePolicy') parseRedrivePolicy(value);
  if (name === 'RedriveAllowPolicy') parseRedriveAllowPolicy(value);
  if (name === 'Policy' && jsonOf(value) === undefined) throw invalidAttribute(name);
}

export function settingsOf(set: SetAttributes): QueueSettings {
  const number = (name: NumberName) => Number(set[name] ?? NUMBERS[name].standard);
  return {
    visibilityTimeoutSeconds: number('VisibilityTimeout'),
    delaySeconds: number('DelaySeconds'),
    maximumMessageBytes: number('MaximumMessageSize'),
    retentionSeconds: number('MessageRetentionPeriod'),
    receiveWaitSeconds: number('ReceiveMessageWaitTimeSeconds'),
    redrive: set.RedrivePolicy === undefined ? undefined : parseRedrivePolicy(set.RedrivePolicy),
    redriveAllow: set.RedriveAllowPolicy === undefined ? undefined : parseRedriveAllowPolicy(set.RedriveAllowPolicy),
  };
}

/** What GetQueueAttributes shows of them: the set ones and the defaults of the others. */
export function shownAttributes(set: SetAttributes): SetAttributes {
  const standard = Object.entries(NUMBERS).map(([name, { standard: value }]) => [name, String(value)] as const);
  return { ...Object.fromEntries(standard), SqsManagedSseEnabled: 'false', ...set };
}

/** `changes` over `set`; a document set to '' is gone. */
export function mergedAttributes(set: SetAttributes, changes: SetAttributes): SetAttributes {
  return Object.fromEntries(Object.entries({ ...set, ...changes }).filter(([, value]) => value !== ''));
}

/** Whether a CreateQueue with `asked` may be answered with a queue that has `set`. */
export function sameAttributes(set: SetAttributes, asked: SetAttributes): boolean {
  const shown = shownAttributes(set);
  return Object.entries(asked).every(([name, value]) =>
    isNumberName(name) ? Number(value) === Number(shown[name]) : samePolicy(value, shown[name] ?? ''),
  );
}

function unknownAttribute(name: string): SqsFault {
  return new SqsFault('InvalidAttributeName', `Unknown Attribute ${name}.`);
}

function invalidAttribute(name: string): SqsFault {
  return new SqsFault('InvalidAttributeValue', `Invalid value for the parameter ${name}.`);
}
