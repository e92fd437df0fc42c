/** The manifests that people write, in one table: how each is named, read and described to an editor. */
import type { z } from 'zod';
import { Cancel } from './cancel.ts';
import { Encoding } from './encoding.ts';
import { type Parsed, parseDocument, rejected } from './parse.ts';
import { Pipeline } from './pipeline.ts';
import { DEFAULT_MAX_SEGMENTS, parseSegments, type Segments, SegmentsDocument } from './segments.ts';
import { quoted } from './shown-value.ts';
import { Sources } from './sources.ts';
import type { ManifestLimits } from './stage-manifests.ts';
import { Webhooks } from './webhooks.ts';

/** What each kind is, once parsed. */
export interface ManifestDocuments {
  readonly segments: Segments;
  readonly sources: Sources;
  readonly encoding: Encoding;
  readonly pipeline: Pipeline;
  readonly cancel: Cancel;
  readonly webhooks: Webhooks;
}

export type ManifestKindName = keyof ManifestDocuments;

export interface DocumentLimits extends ManifestLimits {
  /** Of the text in UTF-8. */
  readonly maxManifestBytes: number;
}

export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = {
  maxSegments: DEFAULT_MAX_SEGMENTS,
  maxManifestBytes: 32 * 1024 * 1024,
};

export interface ManifestKind<Name extends ManifestKindName = ManifestKindName> {
  readonly name: Name;
  readonly fileName: string;
  /** What a person may write: the JSON Schema is made from it. `parse` is what decides. */
  readonly schema: z.ZodType;
  /** Never throws. What several stages of a pipeline.json say about each other is not checked here. */
  readonly parse: (text: string, limits?: DocumentLimits) => Parsed<ManifestDocuments[Name]>;
}

/** A manifest and which it is. */
export type Manifest = {
  [Name in ManifestKindName]: { readonly kind: Name; readonly document: ManifestDocuments[Name] };
}[ManifestKindName];

const ofSchema =
  <T extends z.ZodType>(schema: T) =>
  (text: string) =>
    parseDocument(schema, text);

export const MANIFEST_KINDS: { readonly [Name in ManifestKindName]: ManifestKind<Name> } = {
  segments: kind('segments', SegmentsDocument, (text, limits) => parseSegments(text, limits.maxSegments)),
  sources: kind('sources', Sources, ofSchema(Sources)),
  encoding: kind('encoding', Encoding, ofSchema(Encoding)),
  pipeline: kind('pipeline', Pipeline, ofSchema(Pipeline)),
  cancel: kind('cancel', Cancel, ofSchema(Cancel)),
  webhooks: kind('webhooks', Webhooks, ofSchema(Webhooks)),
};

function kind<Name extends ManifestKindName>(
  name: Name,
  schema: z.ZodType,
  parse: (text: string, limits: DocumentLimits) => Parsed<ManifestDocuments[Name]>,
): ManifestKind<Name> {
  return {
    name,
    fileName: `${name}.json`,
    schema,
    parse: (text, limits = DEFAULT_DOCUMENT_LIMITS) => {
      const bytes = Buffer.byteLength(text);
      if (bytes <= limits.maxManifestBytes) return parse(text, limits);
      return rejected('MANIFEST_TOO_LARGE', '', `at most ${limits.maxManifestBytes} bytes`, String(bytes));
    },
  };
}

export function isManifestKindName(name: string): name is ManifestKindName {
  return Object.hasOwn(MANIFEST_KINDS, name);
}

/** The kind that a file's name says, whatever folder it is in: `segments.json`, and also `intro.segments.json`. */
export function kindOfFileName(fileName: string): ManifestKindName | undefined {
  const name = /(?:^|[/\\.])([a-z]+)\.json$/.exec(fileName)?.[1];
  return name !== undefined && isManifestKindName(name) ? name : undefined;
}

/** Checks one file. Its name says which kind it is, unless `kindName` does. Rejects with USAGE where neither does. Never throws. */
export function validateManifest(
  fileName: string,
  text: string,
  limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS,
  kindName: ManifestKindName | undefined = kindOfFileName(fileName),
): Parsed<Manifest> {
  switch (kindName) {
    case undefined: {
      const names = Object.values(MANIFEST_KINDS).map((known) => known.fileName);
      return rejected('USAGE', 'file name', `one of ${names.join(', ')}, or the kind beside it`, quoted(fileName));
    }
    // One case each, so that the compiler ties every document to its kind.
    case 'segments':
      return named(kindName, MANIFEST_KINDS.segments.parse(text, limits));
    case 'sources':
      return named(kindName, MANIFEST_KINDS.sources.parse(text, limits));
    case 'encoding':
      return named(kindName, MANIFEST_KINDS.encoding.parse(text, limits));
    case 'pipeline':
      return named(kindName, MANIFEST_KINDS.pipeline.parse(text, limits));
    case 'cancel':
      return named(kindName, MANIFEST_KINDS.cancel.parse(text, limits));
    case 'webhooks':
      return named(kindName, MANIFEST_KINDS.webhooks.parse(text, limits));
  }
}

function named<Name, Document>(kindName: Name, parsed: Parsed<Document>): Parsed<{ kind: Name; document: Document }> {
  return parsed.ok ? { ok: true, value: { kind: kindName, document: parsed.value } } : parsed;
}
