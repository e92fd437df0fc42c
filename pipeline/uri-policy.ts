/**
 * Which URIs a manifest may name. Consumers presign with their own credentials, so an s3:// or gs:// URI outside the
 * job's folder would be reading other people's files by proxy: only what the operator's settings allow.
 */
import { isJobKey } from '../manifests/job-key.ts';
import { type GraphStage, mayMeet } from './graph.ts';
import { inputVersion, type PlanContext } from './plan-context.ts';
import { type ReferenceScope, substituteText, textsIn, valueAt, wholeReference } from './references.ts';

export type ForeignUris =
  | { readonly kind: 'refused'; readonly expected: string; readonly found: string }
  | {
      readonly kind: 'allowed';
      /** Of objects in the job's own folder, which enter the fingerprint like named inputs. */
      readonly versions: readonly (readonly [string, string])[];
      /** A key in the job's own folder that is not there, or not finished, yet. */
      readonly missing: string | null;
    };

const NO_URIS: ForeignUris = { kind: 'allowed', versions: [], missing: null };

const BUCKET_URI = /^(s3|gs):\/\//;

/** Looks at every URI that reaches a stage's parameters from a manifest, an entry, or the graph itself, rather than as a named input. */
export function findForeignUris(
  context: PlanContext,
  scope: ReferenceScope,
  stage: GraphStage,
  isOutput: (key: string) => boolean,
): ForeignUris {
  const uris = bucketUris(stage, scope);
  if (uris.length === 0) return NO_URIS;
  const { folderUri, objects } = context.snapshot;
  const versions: [string, string][] = [];
  let missing: string | null = null;
  for (const uri of uris) {
    if (uri.startsWith(folderUri)) {
      const key = uri.slice(folderUri.length);
      if (!isJobKey(key)) return refused(folderUri, uri);
      const writer = laterWriter(context, stage, key, isOutput);
      if (writer !== null)
        return { kind: 'refused', expected: `a URI that ${writer} does not write`, found: JSON.stringify(uri) };
      const object = objects.get(key);
      const isBeingMade = context.producers.get(key)?.done === false;
      const version = object === undefined || isBeingMade ? null : inputVersion(context, object);
      if (version === null) missing ??= key;
      else versions.push([uri, version]);
    } else if (!isAllowed(uri, context.settings.allowedUriPrefixes)) {
      return refused(folderUri, uri);
    }
  }
  return { kind: 'allowed', versions, missing };
}

/**
 * What a stage reads by URI must be made before it, or every run would change what it was made from and ask for the next, for ever.
 * The graph holds this for named inputs.
 */
function laterWriter(context: PlanContext, stage: GraphStage, key: string, isOutput: (key: string) => boolean): string | null {
  if (isOutput(key)) return stage.name;
  const later = context.stages.slice(context.stages.indexOf(stage) + 1);
  return later.find(({ external, output }) => external !== true && mayMeet(key, output))?.name ?? null;
}

function isAllowed(uri: string, prefixes: readonly string[]): boolean {
  const key = uri.replace(BUCKET_URI, '');
  return isJobKey(key) && prefixes.some((prefix) => uri.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`));
}

function refused(folderUri: string, uri: string): ForeignUris {
  return {
    kind: 'refused',
    expected: `a URI under ${folderUri}, or one that the operator's settings allow`,
    found: JSON.stringify(uri),
  };
}

function bucketUris(stage: GraphStage, scope: ReferenceScope): readonly string[] {
  let uris: string[] | undefined;
  for (const valueIn of foreignValues(stage)) {
    const value = valueIn(scope);
    // Most are numbers: a start, a length.
    if (typeof value === 'number' || value === undefined) continue;
    for (const found of textsIn(value)) {
      if (!BUCKET_URI.test(found)) continue;
      uris ??= [];
      uris.push(found);
    }
  }
  return uris ?? NONE;
}

const NONE: readonly string[] = [];

type ValueIn = (scope: ReferenceScope) => unknown;
const known = new WeakMap<GraphStage, readonly ValueIn[]>();

/** The places of a stage in which a URI of somebody else's could be. The same for all of its items. */
function foreignValues(stage: GraphStage): readonly ValueIn[] {
  const values = known.get(stage) ?? makeForeignValues(stage);
  known.set(stage, values);
  return values;
}

function makeForeignValues(stage: GraphStage): ValueIn[] {
  return (
    textsIn(stage.task === undefined ? stage.payload : stage.parameters)
      // A named input or the output itself: the job's own by construction.
      .filter((text) => !FROM_JOB.test(wholeReference(text) ?? ''))
      .map((text) => text.replaceAll(REFERENCE_FROM_JOB, NOWHERE))
      .map((text): ValueIn => {
        const path = wholeReference(text)?.split('.');
        return path === undefined ? (scope) => substituteText(text, scope) : (scope) => valueAt(path, scope);
      })
  );
}

const FROM_JOB = /^(inputs|output)\b/;
const REFERENCE_FROM_JOB = /\$\{(inputs|output)\b[^{}]*\}/g;
/**
 * Stands for an input inside a longer text. What such a text ends as is only known at dispatch, and could be anybody's key
 * (`${inputs.clips.length}` is a number): as part of a bucket's URI this is no key, and so refused.
 */
const NOWHERE = '//';
