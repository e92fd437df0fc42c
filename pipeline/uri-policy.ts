/**
 * Which URIs a manifest may name. Consumers presign with their own credentials, so an s3:// or gs:// URI outside the
 * job's folder would be reading other people's files by proxy: only what the operator's settings allow.
 */
import { isJobKey } from '../manifests/job-key.ts';
import type { GraphStage } from './graph.ts';
import type { PlanContext } from './plan-context.ts';
import { type ReferenceScope, referencesIn, substitute, wholeReference } from './references.ts';
import { versionOf } from './snapshot.ts';

export type ForeignUris =
  | { readonly kind: 'refused'; readonly expected: string; readonly found: string }
  | {
      readonly kind: 'allowed';
      /** Of objects in the job's own folder, which enter the fingerprint like named inputs. */
      readonly versions: readonly (readonly [string, string])[];
      /** A key in the job's own folder that is not there, or not finished, yet. */
      readonly missing: string | null;
    };

const BUCKET_URI = /^(s3|gs):\/\//;

/** Looks at every URI that reaches a stage's parameters from a manifest, an entry, or the graph itself, rather than as a named input. */
export function findForeignUris(context: PlanContext, scope: Omit<ReferenceScope, 'job'>, stage: GraphStage): ForeignUris {
  const { folderUri, objects } = context.snapshot;
  const versions: [string, string][] = [];
  let missing: string | null = null;
  for (const uri of bucketUris(stage, { job: context.snapshot.job, ...scope })) {
    if (uri.startsWith(folderUri)) {
      const key = uri.slice(folderUri.length);
      if (!isJobKey(key)) return refused(folderUri, uri);
      const object = objects.get(key);
      const producer = context.producers.get(key);
      if (object === undefined || producer?.done === false) missing ??= key;
      else versions.push([uri, producer?.fingerprint ?? versionOf(object)]);
    } else if (!isAllowed(uri, context.settings.allowedUriPrefixes)) {
      return refused(folderUri, uri);
    }
  }
  return { kind: 'allowed', versions, missing };
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

function bucketUris(stage: GraphStage, scope: ReferenceScope): string[] {
  const template = stage.task === undefined ? stage.payload : stage.parameters;
  return templatesWithoutInputs(template).flatMap((text) =>
    strings(substitute(text, scope)).filter((value) => BUCKET_URI.test(value)),
  );
}

/** The texts of a template, but for those that are a named input or the output: these are the job's own by construction. */
function templatesWithoutInputs(template: unknown): string[] {
  return strings(template).filter((text) => {
    const whole = wholeReference(text);
    if (whole !== null) return !/^(inputs|output)\b/.test(whole);
    return !referencesIn(text).some((reference) => /^(inputs|output)\b/.test(reference));
  });
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(strings);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(strings);
  return [];
}
