/** What carries a run out: our own worker, step by step, and another program that knows nothing of marks and results. */
import { createHash } from 'node:crypto';
import type { RunRequest } from '../../pipeline/dispatcher.ts';
import { MARK } from '../../pipeline/facts.ts';
import type { FakeMedia } from './media.ts';
import { type Author, type MemoryBucket, presignedKey } from './memory-bucket.ts';
import type { Random } from './random.ts';
import { itemsOf, type RunItem, workOf } from './run-input.ts';
import type { Schedule } from './schedule.ts';
import { LAYOUT, MINUTE_MS, SECOND_MS, type Troubles } from './settings.ts';

export interface WorkerWorld {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly bucket: MemoryBucket;
  readonly troubles: Troubles;
  readonly tell: (line: string) => void;
}

/** One carrying out of a run, of which RunPod may order two. */
export interface Carrying {
  readonly name: string;
  readonly request: RunRequest;
  /** The run was cancelled or timed out, and the worker has heard of it. */
  readonly isStopped: () => boolean;
  /** Called once; `crashed` carries RunPod's words for it. */
  readonly onEnd: (end: WorkerEnd) => void;
}

export type WorkerEnd =
  | { readonly kind: 'completed' | 'stopped' | 'hangs' }
  | { readonly kind: 'failed' | 'crashed'; readonly error: string };

const MAX_STEP_MS = 20 * SECOND_MS;
const MAX_DAWDLE_MS = 3 * MINUTE_MS;

export function carryOut(world: WorkerWorld, carrying: Carrying): void {
  const { schedule, random, troubles, tell } = world;
  const { name, request, isStopped, onEnd } = carrying;
  const steps = request.endpoint === 'default' ? ownSteps(world, carrying) : detectorSteps(world, carrying);

  function next(index: number): void {
    const step = steps[index];
    if (step === undefined) {
      onEnd(endOf(steps));
      return;
    }
    schedule.after(random.between(50, random.chance(troubles.dawdle) ? MAX_DAWDLE_MS : MAX_STEP_MS), () => {
      if (isStopped()) return onEnd({ kind: 'stopped' });
      if (random.chance(troubles.hang)) return onEnd({ kind: 'hangs' });
      if (!random.chance(troubles.crash)) {
        step.act();
        return next(index + 1);
      }
      tell(`${name} crashes before it ${step.says}`);
      // An upload that was under way when its worker died may still arrive.
      if (step.isUpload && random.chance(0.3)) {
        schedule.after(random.between(0, MINUTE_MS), () => {
          step.act();
          onEnd({ kind: 'crashed', error: 'the worker is gone' });
        });
      } else onEnd({ kind: 'crashed', error: 'the worker is gone' });
    });
  }
  next(0);
}

interface Step {
  readonly says: string;
  readonly isUpload: boolean;
  readonly act: () => void;
  readonly error?: () => string | undefined;
}

/** RunPod hears of a failure where the whole run is one item. */
function endOf(steps: readonly Step[]): WorkerEnd {
  const errors = steps.flatMap(({ error }) => (error === undefined ? [] : [error()]));
  const [only] = errors;
  return errors.length === 1 && only !== undefined ? { kind: 'failed', error: only } : { kind: 'completed' };
}

type Outcome =
  | { readonly kind: 'succeeded'; readonly media: FakeMedia }
  | { readonly kind: 'failed'; readonly error: { readonly code: string; readonly message: string; readonly retryable: boolean } };

function ownSteps(world: WorkerWorld, { name, request: { input } }: Carrying): Step[] {
  const { schedule, random, bucket, troubles, tell } = world;
  return itemsOf(input).flatMap((item): Step[] => {
    const { millrace } = item;
    const authorNow = (): Author => (isAwaited(bucket, millrace) ? 'worker' : 'user');
    let outcome: Outcome | undefined;
    const write = (url: string, body: unknown, metadata: Record<string, string> = {}): void => {
      tell(`${name} writes ${presignedKey(url)}${metadata[MARK] === undefined ? '' : ` (${metadata[MARK].slice(0, 6)})`}`);
      bucket.put(presignedKey(url), JSON.stringify(body), { metadata }, authorNow());
    };
    return [
      {
        says: 'reads',
        isUpload: false,
        act: () => {
          outcome = read(world, String(input.task), item);
        },
        error: () => (outcome?.kind === 'failed' ? JSON.stringify(outcome.error) : undefined),
      },
      {
        says: 'uploads',
        isUpload: true,
        act: () => {
          if (outcome?.kind !== 'succeeded') return;
          const mark = millrace.output_put_headers?.[`x-amz-meta-${MARK}`];
          write(item.output_put_url, outcome.media, mark === undefined ? {} : { [MARK]: mark });
        },
      },
      {
        says: 'uploads its result',
        isUpload: true,
        act: () => {
          if (outcome === undefined || random.chance(troubles.loseResult)) return;
          const { job, stage, item: number, fingerprint, attempt } = millrace;
          const isFailed = outcome.kind === 'failed';
          write(isFailed ? millrace.failed_put_url : millrace.succeeded_put_url, {
            ...{ version: 1, status: outcome.kind, job, stage, item: number, fingerprint, attempt, written_by: 'worker' },
            finished_at: new Date(schedule.now()).toISOString(),
            ...(outcome.kind === 'failed' ? { error: outcome.error } : { output: { statusCode: 200 } }),
          });
        },
      },
      // It may die now, too.
      { says: 'goes on', isUpload: false, act: () => {} },
    ];
  });
}

/** True while a claim holds the attempt open: then the sweep comes by, whatever becomes of the events. */
function isAwaited(bucket: MemoryBucket, { job, ...name }: RunItem['millrace']): boolean {
  const isClaimed = bucket.objects.has(LAYOUT.stateKey('claims', job, name));
  return isClaimed && bucket.keysUnder(LAYOUT.resultPrefix(job, name)).length === 0;
}

function read({ random, bucket, troubles }: WorkerWorld, task: string, item: RunItem): Outcome {
  const { parameters, inputs } = workOf(item);
  const texts: Record<string, string> = {};
  for (const { name, url, etag } of inputs) {
    const object = bucket.objects.get(presignedKey(url));
    if (object === undefined) return failed('SOURCE_MISSING', false);
    if (etag !== undefined && etag !== object.etag) return failed('SOURCE_CHANGED', true);
    texts[name] = object.bytes.toString();
  }
  if (random.chance(troubles.fail)) return failed('GPU_FAILED', true);
  return { kind: 'succeeded', media: { task, parameters, read: texts, noise: random.next() } };
}

function failed(code: string, retryable: boolean): Outcome {
  return { kind: 'failed', error: { code, message: `${code} happened`, retryable } };
}

/** What the other program finds in a master: as many cuts as the master's text says. */
export function detected(audio: string): readonly { readonly start_sec: number; readonly duration_sec: number }[] {
  const count = 1 + ((createHash('md5').update(audio).digest()[0] ?? 0) % 3);
  return Array.from({ length: count }, (_, index) => ({ start_sec: index, duration_sec: 1 }));
}

function detectorSteps({ bucket, random, troubles, tell }: WorkerWorld, { name, request: { input } }: Carrying): Step[] {
  let audio: string | undefined;
  return [
    {
      says: 'listens',
      isUpload: false,
      act: () => {
        audio = bucket.text(presignedKey(String(input.audio_url)));
      },
    },
    {
      says: 'writes its cuts',
      isUpload: true,
      act: () => {
        if (audio === undefined || random.chance(troubles.fail)) return;
        const key = presignedKey(String(input.upload_url));
        const at = LAYOUT.jobOf(key);
        if (at === null || at === 'invalid') return;
        const isAwaited = bucket.keysUnder(LAYOUT.statePrefixOf('claims', at.job)).some((claim) => claim.includes('/detection/'));
        tell(`${name} writes ${key}`);
        bucket.put(
          key,
          JSON.stringify({ audio, segments: detected(audio), noise: random.next() }),
          {},
          isAwaited ? 'program' : 'user',
        );
      },
    },
  ];
}
