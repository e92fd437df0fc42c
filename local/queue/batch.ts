/** What the three batch actions share: checks of the whole, then each entry for itself. */
import type { Json, Reply } from './action.ts';
import { SqsFault } from './faults.ts';
import { MAX_BATCH_ENTRIES } from './limits.ts';

const ID_PATTERN = /^[A-Za-z0-9_-]{1,80}$/;

/** Throws EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct. */
export function checkBatch(entries: readonly { readonly Id: string }[], entryName: string): void {
  if (entries.length === 0) {
    throw new SqsFault('EmptyBatchRequest', `There should be at least one ${entryName} in the request.`);
  }
  if (entries.length > MAX_BATCH_ENTRIES) {
    throw new SqsFault(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${MAX_BATCH_ENTRIES}. You have sent ${entries.length}.`,
    );
  }
  const seen = new Set<string>();
  for (const { Id } of entries) {
    if (!ID_PATTERN.test(Id)) {
      throw new SqsFault(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      );
    }
    if (seen.has(Id)) throw new SqsFault('BatchEntryIdsNotDistinct', `Id ${Id} repeated.`);
    seen.add(Id);
  }
}

/** Runs `one` for each entry, in order; its fault fails that entry alone. Anything else thrown fails the whole batch. */
export function eachEntry<E extends { readonly Id: string }>(
  entries: readonly E[],
  one: (entry: E) => Readonly<Record<string, Json>>,
): Reply {
  const Successful: Json[] = [];
  const Failed: Json[] = [];
  for (const entry of entries) {
    try {
      Successful.push({ Id: entry.Id, ...one(entry) });
    } catch (thrown) {
      if (!(thrown instanceof SqsFault)) throw thrown;
      Failed.push({ Id: entry.Id, Code: thrown.queryCode, Message: thrown.message, SenderFault: thrown.isSenderFault });
    }
  }
  return { body: { Successful, Failed } };
}
