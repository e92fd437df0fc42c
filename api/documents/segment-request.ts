/** `POST /api/pipeline/segment`: the request and the answer that programs written for the original template know. */
import { z } from 'zod';
import { JobId } from '../../manifests/job-key.ts';
import { Segment } from '../../manifests/segments.ts';
import { InputUri } from '../../manifests/uris.ts';

const uri = (error: string, pattern: RegExp) => z.string({ error }).max(8192, { error }).regex(pattern, { error });

const BucketUri = uri('expected an s3:// or gs:// URI', /^(s3|gs):\/\/[^\s/]+\/\S+$/);
const WebUrl = uri('expected an http(s):// URL', /^https?:\/\/\S+$/);

export const SegmentRequest = z
  .strictObject({
    job_id: JobId,
    master_audio_r2_uri: BucketUri.optional().describe('The recording, in a bucket.'),
    master_audio_http_url: WebUrl.optional().describe('The recording, on the web; used only without master_audio_r2_uri.'),
    presenter_image_r2_uri: BucketUri.optional().describe('A picture of the presenter, in a bucket.'),
    presenter_image_http_url: WebUrl.optional().describe('The same on the web; used only without presenter_image_r2_uri.'),
    segments: z
      .array(Segment, { error: 'expected an array of segments' })
      .min(1, { error: 'expected at least one segment' })
      .optional()
      .describe('The spans of the recording, in seconds.'),
    segments_uri: InputUri.max(8192).optional().describe('Where a segments.json lies, in the place of `segments`.'),
  })
  .superRefine((request, context) => {
    if (request.master_audio_r2_uri === undefined && request.master_audio_http_url === undefined) {
      const message = 'expected master_audio_r2_uri or master_audio_http_url';
      context.addIssue({ code: 'custom', path: ['master_audio_r2_uri'], message, params: { found: 'neither' } });
    }
    const ways = [request.segments, request.segments_uri].filter((way) => way !== undefined).length;
    if (ways !== 1) {
      const message = 'expected exactly one of segments and segments_uri';
      context.addIssue({ code: 'custom', path: ['segments'], message, params: { found: ways === 0 ? 'neither' : 'both' } });
    }
  })
  .meta({
    id: 'SegmentRequest',
    examples: [
      {
        job_id: 'talk-1',
        master_audio_http_url: 'https://media.example.com/talk.m4a',
        segments: [
          { start_sec: 0, duration_sec: 8 },
          { start_sec: 8, duration_sec: 6.5, target_sec: 7 },
        ],
      },
    ],
  });
export type SegmentRequest = z.infer<typeof SegmentRequest>;

export const SegmentAnswer = z
  .object({
    job_id: z.string(),
    expected: z.int().min(1).describe('How many segments there will be.'),
    outputs: z.array(z.string()).describe('Where they will lie, in the order of the segments.'),
  })
  .meta({
    id: 'SegmentAnswer',
    examples: [
      {
        job_id: 'talk-1',
        expected: 2,
        outputs: [
          's3://videos/pipelines/talk-1/stage/segmentation/audio_segments/segment_0.wav',
          's3://videos/pipelines/talk-1/stage/segmentation/audio_segments/segment_1.wav',
        ],
      },
    ],
  });
export type SegmentAnswer = z.infer<typeof SegmentAnswer>;
