/** The manifests that turn stages on, by the type that a stage graph names them with. */
import { z } from 'zod';
import { Encoding } from './encoding.ts';
import { type Parsed, parseValue } from './parse.ts';
import type { StageManifest } from './pipeline.ts';
import { parseSegmentsValue } from './segments.ts';
import { Sources } from './sources.ts';

const JsonObject = z.record(z.string(), z.unknown(), { error: 'expected an object' });

export interface ManifestLimits {
  readonly maxSegments: number;
}

/** Checks a parsed JSON value against the schema of its type. */
export function parseManifestValue(type: StageManifest['type'], value: unknown, limits: ManifestLimits): Parsed<unknown> {
  switch (type) {
    case 'segments':
      return parseSegmentsValue(value, limits.maxSegments);
    case 'sources':
      return parseValue(Sources, value);
    case 'encoding':
      return parseValue(Encoding, value);
    case 'json':
      return parseValue(JsonObject, value);
  }
}
