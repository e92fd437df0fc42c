/** The store must prove that claims mean something there: some S3-compatible front ends answer 200 and overwrite. */
import { text } from 'node:stream/consumers';
import { MillraceError } from '../errors.ts';
import type { ObjectStore } from './object-store.ts';

export interface ConditionalCreateProofOptions {
  /** Ends in `/`, outside the notified prefix: `pipelines-state/`. */
  readonly prefix: string;
  /** A new text every time, safe in a key. */
  readonly random: () => string;
  readonly racers?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_RACERS = 20;

/**
 * Lets racers create one fresh key: exactly one may win, a late one must lose, and the object must still hold the winner's body.
 * Throws CONDITIONAL_CREATE_UNSUPPORTED where the store fails this, or the store's own error where too few got an answer.
 */
export async function proveConditionalCreate(store: ObjectStore, options: ConditionalCreateProofOptions): Promise<void> {
  const { prefix, random, racers = DEFAULT_RACERS, signal } = options;
  const key = `${prefix}conditional-create-proof/${random()}`;
  const body = (racer: number) => `racer ${racer} of ${racers}`;
  const create = (racer: number) => store.createIfAbsent(key, body(racer), signal === undefined ? {} : { signal });
  try {
    const tries = await Promise.allSettled(Array.from({ length: racers }, (_, racer) => create(racer)));
    const winners = tries.flatMap((outcome, racer) => (outcome.status === 'fulfilled' && outcome.value ? [racer] : []));
    const losers = tries.filter((outcome) => outcome.status === 'fulfilled' && !outcome.value);
    if (winners.length > 1) throw unsupported(store, `${winners.length} of ${racers} racers created the same key`);
    const [winner] = winners;
    if (winner === undefined || losers.length === 0) {
      const failed = tries.find((outcome) => outcome.status === 'rejected');
      throw failed === undefined ? unsupported(store, `none of ${racers} racers could create a fresh key`) : failed.reason;
    }
    if (await create(racers)) throw unsupported(store, 'a key that was there was created again');
    const held = await store.get(key, signal === undefined ? {} : { signal });
    if (held === null || (await text(held.body)) !== body(winner)) {
      throw unsupported(store, 'a racer that was told it lost had overwritten the object');
    }
  } catch (thrown) {
    // What went wrong says more than a failing clean-up after it would.
    await store.delete(key).catch(() => undefined);
    throw isNotImplemented(thrown) ? unsupported(store, 'the store does not know If-None-Match', thrown) : thrown;
  }
  await store.delete(key);
}

function unsupported({ scheme, bucket }: ObjectStore, found: string, cause?: unknown): MillraceError {
  return new MillraceError('CONDITIONAL_CREATE_UNSUPPORTED', `${scheme}://${bucket} cannot hold claims: ${found}`, {
    cause,
    context: { bucket },
    fix:
      "Keep the state in a store that honours If-None-Match (AWS S3, R2, MinIO, Ceph); Google's S3-interoperable API overwrites " +
      "silently, so a Google bucket needs gs:// with Google's own client.",
  });
}

/** 501: the store says itself that it cannot. */
function isNotImplemented(thrown: unknown): boolean {
  return thrown instanceof MillraceError && thrown.code === 'STORE_ERROR' && thrown.context.status === 501;
}
