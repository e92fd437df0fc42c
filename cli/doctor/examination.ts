/** What the checks look at: the settings, and the parts that a consumer would make from them. */
import { randomBytes } from 'node:crypto';
import { type Config, readConfig } from '../../config.ts';
import type { Logger } from '../../log.ts';
import { createLayout, type Layout } from '../../pipeline/layout.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { bucketAddress, createStores } from '../deployment.ts';
import { type QueueAddress, queueAddress } from '../queue-address.ts';

const RANDOM_BYTES = 8;

type Environment = Readonly<Record<string, string | undefined>>;

/** `deployment`: a consumer's machine. `dev`: a running `millrace dev`, whose workers are here. `worker`: nothing but a worker. */
export type Place = 'deployment' | 'dev' | 'worker';

export interface Examination {
  readonly config: Config;
  readonly env: Environment;
  readonly place: Place;
  readonly log: Logger;
  readonly now: () => number;
  readonly layout: Layout;
  readonly store: ObjectStore;
  /** A new text every time, safe in a key. */
  readonly random: () => string;
}

/** Makes no request. Throws CONFIG_INVALID. */
export function examine(
  env: Environment,
  place: Place,
  { log, now = Date.now }: { readonly log: Logger; readonly now?: () => number },
): Examination {
  const config = readConfig(env);
  const { scheme, bucket } = bucketAddress(config);
  return {
    ...{ config, env, place, log, now },
    layout: createLayout({ pipelinesPrefix: config.MILLRACE_PIPELINES_PREFIX, statePrefix: config.MILLRACE_STATE_PREFIX }),
    store: createStores(config)(scheme, bucket),
    random: () => randomBytes(RANDOM_BYTES).toString('hex'),
  };
}

/** Throws CONFIG_INVALID where MILLRACE_QUEUE_URL names none; undefined where it is not set. */
export function queueOf({ config }: Pick<Examination, 'config'>): QueueAddress | undefined {
  const text = config.MILLRACE_QUEUE_URL;
  return text === undefined ? undefined : queueAddress(text, 'MILLRACE_QUEUE_URL');
}

/** Of the same kind as the queue. Throws CONFIG_INVALID; undefined where none is set. */
export function deadLetterQueueOf<K extends QueueAddress['kind']>({ config }: Pick<Examination, 'config'>, kind: K) {
  const text = config.MILLRACE_DEAD_LETTER_QUEUE_URL;
  return text === undefined ? undefined : queueAddress(text, 'MILLRACE_DEAD_LETTER_QUEUE_URL', kind);
}

/** True where the RunPod that the settings name is a stand-in on this machine, whose workers reach what this machine reaches. */
export function runsHere({ config, place }: Pick<Examination, 'config' | 'place'>): boolean {
  const host = URL.parse(config.RUNPOD_ENDPOINT ?? '')?.hostname ?? '';
  return place === 'dev' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host);
}

/** How long it is, in the largest unit that fits: `7 days`, `1 hour`, `90 s`. */
export function duration(seconds: number): string {
  for (const [unit, length] of [
    ['day', 86_400],
    ['hour', 3_600],
  ] as const) {
    if (seconds >= length && seconds % length === 0) return `${seconds / length} ${unit}${seconds === length ? '' : 's'}`;
  }
  return `${seconds} s`;
}
