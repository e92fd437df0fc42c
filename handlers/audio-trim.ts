/** AUDIO_TRIM: segments of a master as 48 kHz stereo WAV, one or many in a run. */
import { availableParallelism } from 'node:os';
import { asMillraceError, type MillraceError } from '../errors.ts';
import type { AudioTrimBatch, AudioTrimParameters, AudioTrimSegment } from '../manifests/tasks.ts';
import { type AudioMaster, prepareMaster } from './audio-master.ts';
import { trimSegment } from './audio-segment.ts';
import { mapInPool } from './pool.ts';
import { withoutSignature } from './presigned-url.ts';
import { errorOf, type ItemOutcome } from './results.ts';
import { asNetworkError } from './retry.ts';
import type { TaskOutput } from './task.ts';
import { plannedEtag, type TaskContext } from './task-context.ts';

/**
 * A cut waits for the network about as long as it works: two more than there are processors keep all of them busy. Each has an ffmpeg, with
 * its memory, of its own.
 */
const SEGMENTS_AT_A_TIME = Math.min(8, availableParallelism() + 2);

export async function audioTrim(parameters: AudioTrimParameters, context: TaskContext): Promise<TaskOutput> {
  return 'segments' in parameters ? trimBatch(parameters, context) : trimOne(parameters, context);
}

async function trimOne(segment: AudioTrimSegment, context: TaskContext): Promise<TaskOutput> {
  const destination = context.destination(segment);
  const masters = createMasters([segment], context);
  try {
    return await trimSegment(segment, await masters.open(segment), destination, 'segment', context);
  } finally {
    await masters.done(segment);
  }
}

/**
 * One segment that fails does not fail the others, but the answer says so. Throws only where every segment failed, or the work was
 * stopped.
 */
async function trimBatch({ segments }: AudioTrimBatch, context: TaskContext): Promise<TaskOutput> {
  const masters = createMasters(segments, context);
  let finished = 0;
  const outcomes = await mapInPool(segments, SEGMENTS_AT_A_TIME, async (segment, index): Promise<ItemOutcome> => {
    context.stopped.throwIfAborted();
    const startedAtMs = context.now();
    const attributes = { 'millrace.items': segment.millrace?.item ?? String(index) };
    const outcome = await context.trace.span('segment', { attributes }, async (span) => {
      const end = await outcomeOf(async () => {
        const destination = context.destination(segment);
        return trimSegment(segment, await masters.open(segment), destination, `segment_${index}`, context);
      }, context).finally(() => masters.done(segment));
      if (end.kind === 'failed') span.set({ 'error.type': end.error.code });
      return end;
    });
    context.stopped.throwIfAborted();
    await context.settle(segment.millrace, outcome, startedAtMs);
    finished++;
    context.progress((100 * finished) / segments.length);
    return outcome;
  });
  const failures = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.error] : []));
  const [firstFailure] = failures;
  if (firstFailure !== undefined && failures.length === outcomes.length) throw firstFailure;
  return {
    statusCode: 200,
    body: failures.length === 0 ? 'Trimmed.' : `Trimmed ${outcomes.length - failures.length} of ${outcomes.length} segments.`,
    succeeded: outcomes.length - failures.length,
    failed: failures.length,
    segments: outcomes.map((outcome, index) => ({
      index,
      ...(segments[index]?.millrace === undefined ? {} : { item: segments[index].millrace.item }),
      ...(outcome.kind === 'failed' ? { error: errorOf(outcome.error) } : outcome.output),
    })),
  };
}

async function outcomeOf(work: () => Promise<TaskOutput>, context: TaskContext): Promise<ItemOutcome> {
  try {
    return { kind: 'succeeded', output: await work() };
  } catch (thrown) {
    if (context.stopped.aborted) throw thrown;
    return { kind: 'failed', error: failureOf(thrown, context.signal) };
  }
}

/** Past the time limit whatever breaks, breaks because of it. */
function failureOf(thrown: unknown, signal: AbortSignal): MillraceError {
  return signal.aborted ? asMillraceError(signal.reason) : asNetworkError(thrown, 'INTERNAL');
}

interface SharedMaster {
  opened: Promise<AudioMaster> | undefined;
  /** No segment needs anything later. */
  untilSeconds: number;
  segmentsLeft: number;
}

/** Opens every distinct source once, when its first segment is reached, and releases it after its last. */
function createMasters(segments: readonly AudioTrimSegment[], context: TaskContext) {
  const masters = new Map<string, SharedMaster>();
  const sharedBy = (segment: AudioTrimSegment): SharedMaster => {
    const key = JSON.stringify([withoutSignature(segment.source_uri), plannedEtag(segment.millrace, 'source_uri') ?? null]);
    const shared = masters.get(key) ?? { opened: undefined, untilSeconds: 0, segmentsLeft: 0 };
    masters.set(key, shared);
    return shared;
  };
  for (const segment of segments) {
    const shared = sharedBy(segment);
    shared.untilSeconds = Math.max(shared.untilSeconds, segment.start_sec + segment.duration_sec);
    shared.segmentsLeft++;
  }
  let opened = 0;
  return {
    open(segment: AudioTrimSegment): Promise<AudioMaster> {
      const shared = sharedBy(segment);
      const { source_uri: uri, millrace } = segment;
      shared.opened ??= context.openInput(uri, plannedEtag(millrace, 'source_uri'), { shared: true }).then((input) => {
        const { untilSeconds } = shared;
        return prepareMaster({ uri, input, untilSeconds, name: `master_${opened++}` }, context);
      });
      return shared.opened;
    },
    async done(segment: AudioTrimSegment): Promise<void> {
      const shared = sharedBy(segment);
      shared.segmentsLeft--;
      if (shared.segmentsLeft > 0) return;
      // Where it could not be opened there is nothing to release.
      await shared.opened?.then(
        (master) => master.release(),
        () => undefined,
      );
    },
  };
}
