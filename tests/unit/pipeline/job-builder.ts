/** A job as a test wants it: files, claims, results; planned from a snapshot in which every fact is known unless told. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseJson } from '../../../manifests/parse.ts';
import { Pipeline } from '../../../manifests/pipeline.ts';
import type { ResultError, ResultStatus } from '../../../manifests/result.ts';
import { type Graph, requireGraph } from '../../../pipeline/graph.ts';
import { createHistory } from '../../../pipeline/history.ts';
import { planSnapshot } from '../../../pipeline/job-plan.ts';
import type { Plan, PlannedDispatch, PlannedItem, PlannedStage, PlanSettings } from '../../../pipeline/plan-types.ts';
import { attemptId, failureId, type Snapshot, versionId, writingId } from '../../../pipeline/snapshot.ts';
import type { ObjectInfo } from '../../../storage/object-store.ts';

const BUILT_IN = new URL('../../../manifests/built-in.pipeline.json', import.meta.url);

export const builtInGraph = requireGraph(Pipeline.parse(JSON.parse(readFileSync(BUILT_IN, 'utf8'))));

export const graphOf = (stages: Record<string, unknown>): Graph => requireGraph(Pipeline.parse({ version: 1, stages }));

export const SETTINGS: PlanSettings = {
  maxSegments: 100_000,
  maxManifestBytes: 64_000_000,
  jobPipelines: true,
  jobWebhooks: true,
  endpoints: ['lipsync'],
  allowedUriPrefixes: [],
};

export const NOW_MS = 1_000_000;

interface File extends ObjectInfo {
  readonly text: string;
  readonly mark: string | null;
}

export interface FileDetails {
  readonly etag?: string;
  readonly mark?: string | null;
  readonly lastModifiedMs?: number;
}

interface AttemptDetails {
  readonly attempt?: number;
  readonly lastModifiedMs?: number;
}

export interface JobBuilder {
  file(key: string, content?: string, details?: FileDetails): JobBuilder;
  json(key: string, value: unknown): JobBuilder;
  remove(key: string): JobBuilder;
  claim(dispatch: Named, details?: AttemptDetails): JobBuilder;
  result(dispatch: Named, status: ResultStatus, details?: AttemptDetails & { readonly error?: Partial<ResultError> }): JobBuilder;
  retry(dispatch: Named): JobBuilder;
  heldUntil(atMs: number): JobBuilder;
  /** Carries out all that the plan would dispatch, well; answers what that was. */
  work(plan?: Plan): readonly PlannedDispatch[];
  text(key: string): string | undefined;
  snapshot(): Snapshot;
  plan(settings?: Partial<PlanSettings>, nowMs?: number): Plan;
}

/** Enough to say which attempt. */
type Named = Pick<PlannedDispatch, 'stage' | 'item' | 'fingerprint' | 'attempt'>;

export function createJob(graph: Graph = builtInGraph, job = 'job'): JobBuilder {
  const files = new Map<string, File>();
  const { history, add } = createHistory();
  const failures = new Map<string, ResultError>();
  let heldUntilMs = 0;
  let clockMs = 1_000;
  const tick = (): number => (clockMs += 1_000);

  const self: JobBuilder = {
    file(key, content = `content of ${key}`, { mark = null, lastModifiedMs = tick(), ...details } = {}) {
      const etag = details.etag ?? createHash('md5').update(content).digest('hex');
      files.set(key, { key, etag, lastModifiedMs, sizeBytes: content.length, text: content, mark });
      return self;
    },
    json: (key, value) => self.file(key, JSON.stringify(value)),
    remove(key) {
      files.delete(key);
      return self;
    },
    claim(dispatch, { attempt = dispatch.attempt, lastModifiedMs = tick() } = {}) {
      add('claims', dispatch, { fingerprint: dispatch.fingerprint, attempt, lastModifiedMs });
      return self;
    },
    result(dispatch, status, { attempt = dispatch.attempt, lastModifiedMs = tick(), error = {} } = {}) {
      add('results', dispatch, { fingerprint: dispatch.fingerprint, attempt, status, lastModifiedMs });
      const whole = { code: 'GPU_FAILED', message: 'it failed', retryable: true, ...error };
      if (status === 'failed') failures.set(failureId({ ...dispatch, attempt, lastModifiedMs }), whole);
      return self;
    },
    retry(dispatch) {
      add('retries', dispatch, { fingerprint: dispatch.fingerprint, attempt: dispatch.attempt });
      return self;
    },
    heldUntil(atMs) {
      heldUntilMs = atMs;
      return self;
    },
    work(plan = self.plan()) {
      for (const dispatch of plan.dispatch) {
        const mark = dispatch.graphStage.task === undefined ? null : dispatch.fingerprint;
        self.claim(dispatch);
        self.file(dispatch.outputKey, `made as ${attemptId(dispatch)}`, { mark });
        self.result(dispatch, 'succeeded');
      }
      return plan.dispatch;
    },
    text: (key) => files.get(key)?.text,
    snapshot: () => ({
      job,
      folderUri: `s3://videos/pipelines/${job}/`,
      objects: new Map(files),
      history,
      problems: new Set(),
      heldUntilMs,
      retryNotesMs: [],
      slotNotes: [],
      webhooks: new Map(),
      takenAtMs: NOW_MS,
      facts: {
        documents: { get: (id) => lookUp(files, versionId, id, ({ text }) => parsed(text)) },
        marks: { get: (id) => lookUp(files, writingId, id, ({ mark }) => mark) },
        failures,
      },
    }),
    plan(settings = {}, nowMs = NOW_MS) {
      return planSnapshot({ graph, settings: { ...SETTINGS, ...settings }, now: () => nowMs }, self.snapshot()).plan;
    },
  };
  return self;
}

function lookUp<T>(
  files: ReadonlyMap<string, File>,
  idOf: (file: File) => string,
  id: string,
  read: (file: File) => T,
): T | undefined {
  const file = files.get(id.slice(0, id.indexOf('@')));
  return file === undefined || idOf(file) !== id ? undefined : read(file);
}

/** One parse for one text, as a process that remembers documents has it. */
const documents = new Map<string, ReturnType<typeof parseJson>>();
function parsed(text: string): ReturnType<typeof parseJson> {
  const known = documents.get(text) ?? parseJson(text);
  documents.set(text, known);
  return known;
}

export function stageOf(plan: Plan, name: string): PlannedStage {
  const stage = plan.stages.find((one) => one.name === name);
  if (stage === undefined) throw new Error(`the plan has no stage ${name}`);
  return stage;
}

export function itemOf(plan: Plan, name: string, index = 0): PlannedItem {
  const item = stageOf(plan, name).items[index];
  if (item === undefined) throw new Error(`${name} has no item ${index}`);
  return item;
}

export const dispatchedBy = (plan: Plan): string[] => plan.dispatch.map(({ stage, item }) => `${stage}/${item}`);

/** The only dispatch of a plan, or of one of its stages. */
export function onlyDispatch(plan: Plan): PlannedDispatch {
  const [only, ...others] = plan.dispatch;
  if (only === undefined || others.length > 0) throw new Error(`the plan dispatches ${plan.dispatch.length} items`);
  return only;
}

export function segments(count: number, startOf: (index: number) => number = (index) => index): unknown {
  return { segments: Array.from({ length: count }, (_, index) => ({ start_sec: startOf(index), duration_sec: 1 })) };
}
