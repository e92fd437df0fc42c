/** `GET /api/pipeline/status`: which segments are there. */
import { z } from 'zod';
import { JobId } from '../../manifests/job-key.ts';
import { wholeNumber } from './query.ts';

/** How many segments are looked for where nobody says how many there will be. */
export const PROBED_SEGMENTS = 64;
/** As many as a manifest may have at most. */
const MAX_EXPECTED = 1_000_000;

export const SegmentStatusQuery = z.object({
  job_id: JobId,
  expected: wholeNumber(1, MAX_EXPECTED)
    .optional()
    .describe(`How many segments to look for; without it the first ${PROBED_SEGMENTS} indices.`),
});
export type SegmentStatusQuery = z.infer<typeof SegmentStatusQuery>;

export const SegmentStatus = z
  .object({
    job_id: z.string(),
    expected: z.int().nullable().describe('As it was asked for; null where it was not.'),
    ready: z.int().min(0),
    segments: z.array(z.object({ index: z.int().min(0), ready: z.boolean(), uri: z.string() })),
  })
  .meta({
    id: 'SegmentStatus',
    examples: [
      {
        job_id: 'talk-1',
        expected: 2,
        ready: 1,
        segments: [
          { index: 0, ready: true, uri: 's3://videos/pipelines/talk-1/stage/segmentation/audio_segments/segment_0.wav' },
          { index: 1, ready: false, uri: 's3://videos/pipelines/talk-1/stage/segmentation/audio_segments/segment_1.wav' },
        ],
      },
    ],
  });
export type SegmentStatus = z.infer<typeof SegmentStatus>;
