/** `segments.json`: which spans of the master become segments. It turns on AUDIO_TRIM, one item per segment. */
import { z } from 'zod';
import { MediaDuration, MediaStart } from './numbers.ts';
import { type Parsed, parseJson, parseValue, rejected } from './parse.ts';

/** The most segments one manifest may hold, unless the settings say otherwise. */
export const DEFAULT_MAX_SEGMENTS = 100_000;

export const Segment = z
  .looseObject({
    start_sec: MediaStart.describe('Where the segment starts in the master, in seconds.'),
    duration_sec: MediaDuration.describe('How long the segment is, in seconds.'),
    target_sec: MediaDuration.optional().describe(
      'Pad the segment with silence to this length, in seconds; at least duration_sec. Never shortens it.',
    ),
  })
  .superRefine(({ duration_sec: duration, target_sec: target }, context) => {
    if (target === undefined || target >= duration) return;
    context.addIssue({
      code: 'custom',
      path: ['target_sec'],
      message: `expected a number of at least duration_sec (${duration})`,
    });
  })
  .meta({
    id: 'Segment',
    description: 'One span of the master. Other fields are kept for your own use.',
    examples: [{ start_sec: 12.5, duration_sec: 8 }],
  });
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

/** Parses `segments.json`; errors name the index and field as `segments[57].start_sec` whichever of the two forms was used. */
export function parseSegments(text: string, maxSegments: number = DEFAULT_MAX_SEGMENTS): Parsed<Segments> {
  const json = parseJson(text);
  return json.ok ? parseSegmentsValue(json.value, maxSegments) : json;
}

/** The same for a value that is parsed JSON already. */
export function parseSegmentsValue(json: unknown, maxSegments: number): Parsed<Segments> {
  const value = Array.isArray(json) ? { segments: json } : json;
  const count = countOf(value);
  if (count > maxSegments) return rejected('MANIFEST_TOO_LARGE', 'segments', `at most ${maxSegments} segments`, String(count));
  return parseValue(Segments, value);
}

function countOf(value: unknown): number {
  const segments = typeof value === 'object' && value !== null && 'segments' in value ? value.segments : undefined;
  return Array.isArray(segments) ? segments.length : 0;
}
