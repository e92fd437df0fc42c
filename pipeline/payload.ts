/** Makes what a run carries: the task's parameters with presigned URLs in the place of URIs, and where results go. */
import type { RunContext, SplitOffer } from '../manifests/run-context.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Trace } from '../trace.ts';
import { chunkKeys } from './chunk-stage.ts';
import { MARK } from './facts.ts';
import type { GraphStage } from './graph.ts';
import type { Layout } from './layout.ts';
import type { PlannedDispatch, ResolvedInput } from './plan-types.ts';
import { type ReferenceScope, substitute, wholeReference } from './references.ts';

/** A store for any bucket that a manifest may name, with this process's credentials. */
export type StoreFor = (scheme: 's3' | 'gs', bucket: string) => ObjectStore;

export interface PayloadSource {
  readonly store: ObjectStore;
  readonly storeFor: StoreFor;
  readonly layout: Layout;
  /** No run may wait and work longer than this, and no presigned URL is valid longer: a role's session may be shorter than a stage's ttl. */
  readonly maxTtlSeconds: number;
  /** What runs carry on into the worker. */
  readonly trace?: Trace | undefined;
}

/** How long a run of the stage may wait and work, in seconds. */
export const ttlOf = ({ maxTtlSeconds }: Pick<PayloadSource, 'maxTtlSeconds'>, { ttl_sec }: GraphStage): number =>
  Math.min(ttl_sec, maxTtlSeconds);

export type RunInput = Readonly<Record<string, unknown>>;

/** All that needs presigning is done: it may be done while it is still being found out which of the items there is to run. */
export interface PreparedRun {
  /**
   * RunPod's `input` for a run of these items, all of one stage. The worker's spans go on from the one that runs around the call. Holds
   * presigned URLs: never log it.
   */
  inputOf(items: readonly PlannedDispatch[]): RunInput;
}

export async function prepareRun(source: PayloadSource, job: string, items: readonly PlannedDispatch[]): Promise<PreparedRun> {
  const [first] = items;
  if (first === undefined) throw new RangeError('a run carries at least one item');
  const { graphStage } = first;
  const presigned = createPresignCache(source, job, ttlOf(source, graphStage));
  const make = graphStage.task === undefined ? endpointInput : taskParameters;
  const inputs = await Promise.all(items.map(async (item) => [item, await make(source, presigned, job, item)] as const));
  const inputByItem = new Map<PlannedDispatch, RunInput>(inputs);
  return {
    inputOf(chosen) {
      const found = chosen.map((item) => inputByItem.get(item)).filter((input) => input !== undefined);
      const [only] = found;
      if (only === undefined || found.length < chosen.length)
        throw new RangeError('a run carries items that it was prepared for');
      if (graphStage.task === undefined) return only;
      const parameters = found.map((input) => withTrace(input, source.trace?.traceparent()));
      return { task: graphStage.task, parameters: graphStage.items_per_run > 1 ? { segments: parameters } : parameters[0] };
    },
  };
}

function withTrace(parameters: RunInput, traceparent: string | undefined): RunInput {
  return traceparent === undefined ? parameters : { ...parameters, millrace: { ...Object(parameters.millrace), traceparent } };
}

type PresignCache = ReturnType<typeof createPresignCache>;

/** One URL per input and run: a batch of eight trims presigns its master once. */
function createPresignCache({ store, storeFor, layout }: PayloadSource, job: string, expiresInSeconds: number) {
  const urls = new Map<string, Promise<string>>();
  const once = (id: string, presign: () => Promise<string>): Promise<string> => {
    const known = urls.get(id) ?? presign();
    urls.set(id, known);
    return known;
  };
  return {
    expiresInSeconds,
    input: (key: string) => once(key, () => store.presignGet(layout.jobKey(job, key), { expiresInSeconds })),
    uri: (uri: string) => {
      const [, scheme, bucket, key] = BUCKET_URI.exec(uri) ?? [];
      if (bucket === undefined || key === undefined) return Promise.resolve(uri);
      return once(uri, () => storeFor(scheme === 'gs' ? 'gs' : 's3', bucket).presignGet(key, { expiresInSeconds }));
    },
  };
}

const BUCKET_URI = /^(s3|gs):\/\/([^/]+)\/(.+)$/;

async function taskParameters(
  source: PayloadSource,
  presigned: PresignCache,
  job: string,
  item: PlannedDispatch,
): Promise<RunInput> {
  const { store, layout } = source;
  const { expiresInSeconds } = presigned;
  const outputKey = layout.jobKey(job, item.outputKey);
  const put = await store.presignPut(outputKey, { expiresInSeconds, metadata: { [MARK]: item.fingerprint } });
  const resultPut = (status: 'succeeded' | 'failed') =>
    store.presignPut(layout.resultKey(job, item, status), { expiresInSeconds });
  const [succeeded, failed] = await Promise.all([resultPut('succeeded'), resultPut('failed')]);
  const scope = await presignedScope(presigned, job, item);
  const context: RunContext = {
    job,
    stage: item.stage,
    item: item.item,
    fingerprint: item.fingerprint,
    attempt: item.attempt,
    output_put_headers: { ...put.headers },
    output_uri: `${store.scheme}://${store.bucket}/${outputKey}`,
    succeeded_put_url: succeeded.url,
    failed_put_url: failed.url,
    input_etags: inputEtags(item),
    ...(await splitOffer(source, job, item, expiresInSeconds)),
  };
  const parameters = await presignUris(presigned, substitute(item.graphStage.parameters ?? {}, scope));
  return { ...(parameters as RunInput), output_put_url: put.url, millrace: context };
}

/** Outside the parameters, and so of no weight in a fingerprint: how an output is made does not change what it is made from. */
async function splitOffer(
  { store, layout }: PayloadSource,
  job: string,
  item: PlannedDispatch,
  expiresInSeconds: number,
): Promise<{ split?: SplitOffer }> {
  const { name, chunks } = item.graphStage;
  if (chunks === undefined) return {};
  const keys = chunkKeys(name);
  const marked = { expiresInSeconds, metadata: { [MARK]: item.fingerprint } };
  const [list, sound, result] = await Promise.all([
    store.presignPut(layout.jobKey(job, keys.list), marked),
    store.presignPut(layout.jobKey(job, keys.sound), marked),
    store.presignPut(layout.resultKey(job, item, 'split'), { expiresInSeconds }),
  ]);
  const put_headers = { ...list.headers };
  return { split: { ...chunks, list_put_url: list.url, sound_put_url: sound.url, put_headers, split_put_url: result.url } };
}

/** For an endpoint that is not ours: its own payload, with `${output}` as a presigned PUT. It writes no mark and no result. */
async function endpointInput(
  source: PayloadSource,
  presigned: PresignCache,
  job: string,
  item: PlannedDispatch,
): Promise<RunInput> {
  const { store, layout } = source;
  const put = await store.presignPut(layout.jobKey(job, item.outputKey), { expiresInSeconds: presigned.expiresInSeconds });
  const scope = { ...(await presignedScope(presigned, job, item)), output: put.url };
  return (await presignUris(presigned, substitute(item.graphStage.payload ?? {}, scope))) as RunInput;
}

async function presignedScope(presigned: PresignCache, job: string, item: PlannedDispatch): Promise<ReferenceScope> {
  const inputs: Record<string, unknown> = {};
  for (const [name, { many, objects }] of item.inputs) {
    const urls = await Promise.all(objects.map(({ key }) => presigned.input(key)));
    inputs[name] = many ? urls : urls[0];
  }
  return { job, index: item.index, item: item.entry, manifest: item.manifest, inputs };
}

/** Replaces the s3:// and gs:// URIs that a manifest named; `plan` has made sure that each is allowed. */
async function presignUris(presigned: PresignCache, value: unknown): Promise<unknown> {
  if (typeof value === 'string') return presigned.uri(value);
  if (Array.isArray(value)) return Promise.all(value.map((entry) => presignUris(presigned, entry)));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(async ([name, entry]) => [name, await presignUris(presigned, entry)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** For every parameter that is an input and nothing else: the ETags that the worker must find. */
function inputEtags({ graphStage, inputs }: PlannedDispatch): Record<string, string | string[]> {
  const etags: Record<string, string | string[]> = {};
  for (const [parameter, template] of Object.entries(graphStage.parameters ?? {})) {
    const [root, name = ''] = typeof template === 'string' ? (wholeReference(template)?.split('.') ?? []) : [];
    const input = root === 'inputs' ? inputs.get(name) : undefined;
    if (input !== undefined) etags[parameter] = etagsOf(input);
  }
  return etags;
}

function etagsOf({ many, objects }: ResolvedInput): string | string[] {
  const etags = objects.map(({ etag }) => etag);
  return many ? etags : (etags[0] ?? '');
}
