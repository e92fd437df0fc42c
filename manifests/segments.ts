/** `segments.json`: which spans of the master become segments. It turns on AUDIO_TRIM, one item per segment. */
import { z } from 'zod';
import { type Parsed, parseJson, parseValue } from './parse.ts';

/** The most segments one manifest may hold, unless the settings say otherwise. */
export const DEFAULT_MAX_SEGMENTS = 100_000;

export const Segment = z
  .looseObject({
    start_sec: z
      .number({ error: 'expected a finite number of at least 0' })
      .min(0, { error: 'expected a number of at least 0' })
      .describe('Where the segment starts in the master, in seconds.'),
    duration_sec: z
      .number({ error: 'expected a finite number above 0' })
      .positive({ error: 'expected a number above 0' })
      .describe('How long the segment is, in seconds.'),
    target_sec: z
      .number({ error: 'expected a finite number above 0' })
      .positive({ error: 'expected a number above 0' })
      .optional()
      .describe('Pad the segment with silence to this length, in seconds. Never shortens it.'),
  })
  .refine((segment) => segment.target_sec === undefined || segment.target_sec >= segment.duration_sec, {
    path: ['target_sec'],
    error: 'expected a number of at least duration_sec',
  })
  .describe('One span of the master. Other fields are kept for your own use.');
export type Segment = z.infer<typeof Segment>;

const SegmentList = z
  .array(Segment, { error: 'expected an array of segments' })
  .min(1, { error: 'expected at least one segment' });

/** What a person may write: an array of segments, or an object that holds one. */
export const SegmentsDocument = z.union([SegmentList, z.looseObject({ $schema: z.string().optional(), segments: SegmentList })]);

/** What the program works with: always an object. */
export const Segments = z.looseObject(
  { segments: SegmentList },
  { error: 'expected an array of segments, or an object with "segments"' },
);
export type Segments = z.infer<typeof Segments>;

/** Parses `segments.json`; errors name the index and field whichever of the two forms was used. */
export function parseSegments(text: string, maxSegments: number = DEFAULT_MAX_SEGMENTS): Parsed<Segments> {
  const json = parseJson(text);
  if (!json.ok) return json;
  const value = Array.isArray(json.value) ? { segments: json.value } : json.value;
  const count = countOf(value);
  if (count > maxSegments) {
    const error = { field: 'segments', expected: `at most ${maxSegments} segments`, found: `${count}` };
    const text = `segments: expected ${error.expected}, found ${error.found}`;
    return { ok: false, code: 'MANIFEST_TOO_LARGE', errors: [{ ...error, text }] };
  }
  return parseValue(Segments, value);
}

function countOf(value: unknown): number {
  const segments = typeof value === 'object' && value !== null && 'segments' in value ? value.segments : undefined;
  return Array.isArray(segments) ? segments.length : 0;
}
