/** RunPod and its workers, and another program's endpoint: slow, forgetful, and given to doing things twice. */
import { createHash } from 'node:crypto';
import { MillraceError } from '../../errors.ts';
import type { Dispatcher, DispatchOutcome, RunRequest, RunStatus } from '../../pipeline/dispatcher.ts';
import { type MemoryBucket, presignedKey } from './memory-bucket.ts';
import type { Random } from './random.ts';
import type { Actor, Schedule } from './schedule.ts';

export interface Troubles {
  /** `/run` answers 429. */
  refuse: number;
  /** `/run` gets no answer; half of these calls were accepted. */
  uncertain: number;
  /** A run dies without a word: its worker crashes somewhere between its writes. */
  crash: number;
  /** RunPod forgets a run. */
  lose: number;
  /** A run is carried out a second time, some time later. */
  repeat: number;
  /** An item fails though it need not have. */
  fail: number;
  /** `/status` and `/cancel` answer 500. */
  mute: number;
}

export const NO_TROUBLES: Troubles = { refuse: 0, uncertain: 0, crash: 0, lose: 0, repeat: 0, fail: 0, mute: 0 };

/** What a worker writes as an output: enough for a check that knows nothing of fingerprints. */
export interface FakeMedia {
  readonly task: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The text of every input that was read, by parameter. */
  readonly read: Readonly<Record<string, string>>;
  /** Different every time, as an encoder's bytes are. */
  readonly noise: number;
}

interface Job {
  readonly id: string;
  readonly request: RunRequest;
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'lost';
  endedMs: number | null;
}

export interface GpuCloud {
  readonly troubles: Troubles;
  dispatcher(actor: Actor): Dispatcher;
  /** Runs that are queued or running. */
  busy(): number;
  readonly calls: { run: number };
}

export interface GpuCloudOptions {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly bucket: MemoryBucket;
  readonly troubles: Troubles;
  /** Hears of every run that RunPod is asked for, accepted or not. */
  readonly onRun: (request: RunRequest, actor: Actor) => void;
  /** Another program writes when nobody waits for it: to Millrace that is the same as a user's doing. */
  readonly unasked: (act: () => void) => void;
  readonly tell: (line: string) => void;
}

/** RunPod keeps results for thirty minutes. */
const REMEMBERED_MS = 30 * 60_000;

export function createGpuCloud({ schedule, random, bucket, troubles, onRun, unasked, tell }: GpuCloudOptions): GpuCloud {
  const jobs = new Map<string, Job>();
  const calls = { run: 0 };

  function accept(request: RunRequest): Job {
    const job: Job = { id: `run-${jobs.size + 1}`, request, status: 'queued', endedMs: null };
    jobs.set(job.id, job);
    schedule.after(random.between(100, 60_000), () => {
      if (job.status !== 'queued') return;
      if (random.chance(troubles.lose)) return end(job, 'lost');
      job.status = 'running';
      work(job, 0, true);
    });
    if (random.chance(troubles.repeat))
      schedule.after(random.between(1_000, random.chance(0.5) ? 60_000 : 900_000), () => work(job, 0, false));
    return job;
  }

  function end(job: Job, status: Job['status']): void {
    tell(`${job.id} ends ${status}`);
    job.status = status;
    job.endedMs = schedule.now();
  }

  /** One write after the other, with time between them, so that anything can happen there. `first` is false for a repeated run. */
  function work(job: Job, at: number, first: boolean): void {
    const stopped = (): boolean => first && job.status !== 'running';
    const writes = writesOf(job.request, at, first);
    if (writes === null) {
      if (first) end(job, 'completed');
      return;
    }
    const next = (index: number): void => {
      schedule.after(random.between(50, 20_000), () => {
        if (stopped()) return;
        if (random.chance(troubles.crash)) {
          if (first) end(job, 'failed');
          return;
        }
        const write = writes[index];
        if (write === undefined) return work(job, at + 1, first);
        write(first ? job.id : `${job.id} again`);
        next(index + 1);
      });
    };
    next(0);
  }

  /** The writes of one item of a run; `null` past the last. */
  function writesOf({ input, endpoint }: RunRequest, at: number, first: boolean): ((who: string) => void)[] | null {
    if (endpoint !== 'default') return at === 0 ? [() => (first ? detect(input) : unasked(() => detect(input)))] : null;
    const items = itemsOf(input);
    const item = items[at];
    if (item === undefined) return null;
    let outcome: Outcome | undefined;
    return [
      (who) => {
        outcome = carryOut(String(input.task), item, random, troubles, bucket);
        if (outcome.kind === 'failed') return;
        const { millrace } = item;
        const mark = millrace.output_put_headers['x-amz-meta-fingerprint'] ?? '';
        tell(`${who} writes ${presignedKey(item.output_put_url)} (${mark.slice(0, 6)})`);
        bucket.put(presignedKey(item.output_put_url), JSON.stringify(outcome.media), { metadata: { fingerprint: mark } });
      },
      (who) => {
        if (outcome === undefined) return;
        const { millrace } = item;
        const url = outcome.kind === 'failed' ? millrace.failed_put_url : millrace.succeeded_put_url;
        const { job, stage, item: name, fingerprint, attempt } = millrace;
        const result = {
          ...{ version: 1, status: outcome.kind, job, stage, item: name, fingerprint, attempt, written_by: 'worker' },
          finished_at: new Date(schedule.now()).toISOString(),
          ...(outcome.kind === 'failed' ? { error: outcome.error } : { output: { statusCode: 200 } }),
        };
        tell(`${who} writes ${presignedKey(url)}`);
        bucket.put(presignedKey(url), JSON.stringify(result));
      },
    ];
  }

  /** Another program: it knows nothing of marks and results. */
  function detect(input: Readonly<Record<string, unknown>>): void {
    const audio = bucket.text(presignedKey(String(input.audio_url)));
    if (audio === undefined || random.chance(troubles.fail)) return;
    const count = 1 + ((createHash('md5').update(audio).digest()[0] ?? 0) % 3);
    const segments = Array.from({ length: count }, (_, index) => ({ start_sec: index, duration_sec: 1 }));
    const key = presignedKey(String(input.upload_url));
    tell(`the detector writes ${key}`);
    bucket.put(key, JSON.stringify({ audio, segments }));
  }

  function statusOf(id: string): RunStatus {
    const job = jobs.get(id);
    if (job === undefined || job.status === 'lost') return { kind: 'unknown' };
    if (job.endedMs !== null && schedule.now() - job.endedMs > REMEMBERED_MS) return { kind: 'unknown' };
    return job.status === 'failed' ? { kind: 'failed', error: 'the worker crashed' } : { kind: job.status };
  }

  function outcomeOf(request: RunRequest): DispatchOutcome {
    calls.run += 1;
    if (random.chance(troubles.refuse)) {
      return { kind: 'refused', error: new MillraceError('RUN_REFUSED', 'RunPod answered 429.') };
    }
    if (random.chance(troubles.uncertain)) {
      if (random.chance(0.5)) accept(request);
      return { kind: 'uncertain', error: new MillraceError('RUN_UNCERTAIN', 'RunPod did not answer.') };
    }
    const job = accept(request);
    tell(`RunPod takes ${job.id}`);
    return { kind: 'accepted', runId: job.id };
  }

  const muted = (): void => {
    if (random.chance(troubles.mute)) throw new MillraceError('RUN_REFUSED', 'RunPod answered 500.');
  };

  return {
    troubles,
    calls,
    busy: () => [...jobs.values()].filter(({ status }) => status === 'queued' || status === 'running').length,
    dispatcher: (actor) => ({
      run: (request) =>
        schedule.effect(actor, () => {
          onRun(request, actor);
          return outcomeOf(request);
        }),
      status: (_, id) =>
        schedule.effect(actor, () => {
          muted();
          return statusOf(id);
        }),
      cancel: (_, id) =>
        schedule.effect(actor, () => {
          muted();
          const job = jobs.get(id);
          if (job !== undefined && (job.status === 'queued' || job.status === 'running')) end(job, 'cancelled');
        }),
    }),
  };
}

export interface RunItem extends Readonly<Record<string, unknown>> {
  readonly output_put_url: string;
  readonly millrace: {
    readonly job: string;
    readonly stage: string;
    readonly item: string;
    readonly fingerprint: string;
    readonly attempt: number;
    readonly output_put_headers: Readonly<Record<string, string>>;
    readonly succeeded_put_url: string;
    readonly failed_put_url: string;
    readonly input_etags: Readonly<Record<string, string | readonly string[]>>;
  };
}

/** The items that a run of our own worker carries. */
export function itemsOf(input: Readonly<Record<string, unknown>>): readonly RunItem[] {
  const parameters = input.parameters as RunItem | { readonly segments: readonly RunItem[] };
  return 'segments' in parameters && Array.isArray(parameters.segments) ? parameters.segments : [parameters as RunItem];
}

type Outcome =
  | { readonly kind: 'succeeded'; readonly media: FakeMedia }
  | { readonly kind: 'failed'; readonly error: { code: string; message: string; retryable: boolean } };

function carryOut(task: string, item: RunItem, random: Random, troubles: Troubles, bucket: MemoryBucket): Outcome {
  const read: Record<string, string> = {};
  const parameters: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(item)) {
    if (name === 'millrace' || name === 'output_put_url') continue;
    const urls = (Array.isArray(value) ? value : [value]).filter((url) => typeof url === 'string' && url.includes('?signature='));
    if (urls.length === 0) parameters[name] = value;
    const etags = [item.millrace.input_etags[name] ?? []].flat();
    for (const [index, url] of urls.entries()) {
      const object = bucket.objects.get(presignedKey(url));
      if (object === undefined) return failed('SOURCE_MISSING', false);
      if (etags[index] !== undefined && etags[index] !== object.etag) return failed('SOURCE_CHANGED', true);
      read[urls.length > 1 || Array.isArray(value) ? `${name}.${index}` : name] = object.bytes.toString();
    }
  }
  if (random.chance(troubles.fail)) return failed('GPU_FAILED', true);
  return { kind: 'succeeded', media: { task, parameters, read, noise: random.next() } };
}

function failed(code: string, retryable: boolean): Outcome {
  return { kind: 'failed', error: { code, message: `${code} happened`, retryable } };
}
