/**
 * The inputs that a request names, on their way into the job. Most become an entry of sources.json, and a worker fetches them. What lies in
 * the bucket of the jobs, outside the job, no manifest may name: this program, whose callers are operators, copies it itself.
 */
import { MillraceError } from '../errors.ts';
import { parseDocument } from '../manifests/parse.ts';
import { type Source, Sources } from '../manifests/sources.ts';
import { formatUri, type ObjectUri, parseObjectUri, parseUri } from '../storage/uri.ts';
import type { SegmentRequest } from './documents/segment-request.ts';
import { extensionOf, keyInJob, MASTER, PRESENTER, SOURCES_KEY } from './job-places.ts';
import type { ApiParts } from './parts.ts';
import { RequestError } from './problem.ts';
import { publicUrl } from './public-object.ts';
import { readObjectText } from './read-object.ts';
import { isAllowedPrefix, notAllowed } from './uri-access.ts';

interface NamedInput {
  /** The request's field. */
  readonly field: string;
  /** Where it goes, without its extension. */
  readonly place: string;
  readonly uri: string;
  readonly isObject: boolean;
}

function namedInputs(request: SegmentRequest): NamedInput[] {
  const choose = (place: string, name: 'master_audio' | 'presenter_image'): NamedInput[] => {
    const [object, web] = [request[`${name}_r2_uri`], request[`${name}_http_url`]];
    if (object !== undefined) return [{ field: `${name}_r2_uri`, place, uri: object, isObject: true }];
    return web === undefined ? [] : [{ field: `${name}_http_url`, place, uri: web, isObject: false }];
  };
  return [...choose(MASTER, 'master_audio'), ...choose(PRESENTER, 'presenter_image')];
}

/** Once it resolves, sources.json asks for what is not in the job yet. Nothing is written that is there already. */
export async function stageInputs(parts: ApiParts, request: SegmentRequest, signal: AbortSignal): Promise<void> {
  const { job_id: job } = request;
  const inputs = namedInputs(request);
  const ways = await Promise.all(inputs.map((input) => wayOf(parts, job, input, signal)));
  // All are looked at before the first is written.
  await Promise.all(inputs.map((input, index) => refuseAnother(parts, job, input.place, ways[index]?.destKey ?? '', signal)));
  for (const way of ways) if (way.kind === 'copy') await copy(parts, job, way, signal);
  const sources = ways.flatMap((way) => (way.kind === 'source' ? [{ source_uri: way.sourceUri, dest_key: way.destKey }] : []));
  await writeSources(
    parts,
    job,
    sources,
    inputs.map(({ place }) => place),
    signal,
  );
}

type Way =
  | { readonly kind: 'there'; readonly destKey: string }
  | { readonly kind: 'source'; readonly destKey: string; readonly sourceUri: string }
  | { readonly kind: 'copy'; readonly destKey: string; readonly from: string; readonly label: string };

async function wayOf(
  parts: ApiParts,
  job: string,
  { field, place, uri: text, isObject }: NamedInput,
  signal: AbortSignal,
): Promise<Way> {
  if (!isObject) {
    parseUri(text);
    return { kind: 'source', destKey: place + extensionOf(new URL(text).pathname), sourceUri: text };
  }
  const uri = parseObjectUri(text);
  const destKey = place + extensionOf(uri.key);
  const own = keyInJob(parts.planner, job, uri);
  if (own?.startsWith(`${place}.`) === true) {
    await requireThere(parts, uri, field, signal);
    return { kind: 'there', destKey: own };
  }
  if (own !== null || isAllowedPrefix(parts, uri)) {
    await requireThere(parts, uri, field, signal);
    return { kind: 'source', destKey, sourceUri: formatUri(uri) };
  }
  const { store } = parts.planner;
  if (uri.scheme === store.scheme && uri.bucket === store.bucket) {
    return { kind: 'copy', destKey, from: uri.key, label: `${field}: ${formatUri(uri)}` };
  }
  const url = publicUrl(parts.publicAddress, uri);
  if (url === undefined) throw notAllowed(field, formatUri(uri));
  return { kind: 'source', destKey, sourceUri: url };
}

async function requireThere({ storeFor }: ApiParts, uri: ObjectUri, field: string, signal: AbortSignal): Promise<void> {
  if ((await storeFor(uri.scheme, uri.bucket).head(uri.key, signal)) !== null) return;
  throw new MillraceError('SOURCE_MISSING', `${field}: ${formatUri(uri)} is not there`);
}

/** master.m4a beside master.wav would only become a problem: a stage takes one of them. */
async function refuseAnother(
  { planner }: ApiParts,
  job: string,
  place: string,
  destKey: string,
  signal: AbortSignal,
): Promise<void> {
  const prefix = planner.layout.jobKey(job, `${place}.`);
  for await (const page of planner.store.list(prefix, { signal })) {
    const other = page.find(({ key }) => key !== planner.layout.jobKey(job, destKey));
    if (other === undefined) continue;
    const name = other.key.slice(planner.layout.jobFolder(job).length);
    throw new RequestError('INPUT_AMBIGUOUS', `${job} has ${name} already, and would get ${destKey} beside it`, {
      fix: `Delete ${name}, or take another job_id.`,
    });
  }
}

/** Of what an object was copied from. */
const COPIED_FROM = 'copied-from';
/** What a worker takes for a source too. */
const MAX_COPY_BYTES = 5 * 1024 ** 3;

async function copy(
  { planner }: ApiParts,
  job: string,
  { from, destKey, label }: Extract<Way, { kind: 'copy' }>,
  signal: AbortSignal,
) {
  const { store, layout } = planner;
  const source = await store.head(from, signal);
  if (source === null) throw new MillraceError('SOURCE_MISSING', `${label} is not there`);
  if (source.sizeBytes > MAX_COPY_BYTES) throw new MillraceError('TOO_LARGE', `${label} has more than ${MAX_COPY_BYTES} bytes`);
  const key = layout.jobKey(job, destKey);
  const there = await store.head(key, signal);
  if (there?.metadata[COPIED_FROM] === source.etag && there.sizeBytes === source.sizeBytes) return;
  const found = await store.get(from, { ifMatch: source.etag, signal });
  if (found === null) throw new MillraceError('SOURCE_MISSING', `${label} is not there`);
  await store.put(key, found.body, {
    contentLengthBytes: source.sizeBytes,
    metadata: { [COPIED_FROM]: source.etag },
    ...(source.contentType === undefined ? {} : { contentType: source.contentType }),
    signal,
  });
}

type SourceEntry = typeof Source._output;

/** Keeps what others asked for, and replaces what this request is about. */
async function writeSources(
  { planner: { store, layout, settings } }: ApiParts,
  job: string,
  own: readonly SourceEntry[],
  places: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const key = layout.jobKey(job, SOURCES_KEY);
  const before = await readObjectText(store, key, settings.maxManifestBytes, signal);
  const known = before === null ? undefined : parseDocument(Sources, before);
  const others = known?.ok === true ? known.value.sources.filter((source) => !places.some((place) => isAt(source, place))) : [];
  const sources = [...others, ...own];
  if (sources.length === 0) {
    if (before !== null) await store.delete(key, signal);
    return;
  }
  const text = `${JSON.stringify({ sources }, null, 2)}\n`;
  if (text !== before) await store.put(key, text, { contentType: 'application/json', signal });
}

const isAt = ({ dest_key: key }: SourceEntry, place: string): boolean => key.startsWith(`${place}.`);
