/** The two routes that programs written for the original template know. */
import { SegmentAnswer, SegmentRequest } from '../documents/segment-request.ts';
import { SegmentStatus, SegmentStatusQuery } from '../documents/segment-status.ts';
import { jobUri, SEGMENTS_KEY, SEGMENTS_KEYS, segmentKey } from '../job-places.ts';
import { lookAgain } from '../look-again.ts';
import type { ApiParts } from '../parts.ts';
import { RequestError } from '../problem.ts';
import { readObjectText } from '../read-object.ts';
import { readSegments } from '../read-segments.ts';
import { requireCredentials } from '../require-credentials.ts';
import { defineRoute, type Route } from '../route.ts';
import { segmentStatus } from '../segment-progress.ts';
import { stageInputs } from '../stage-inputs.ts';

export function pipelineRoutes(parts: ApiParts): Route[] {
  const { store, layout, settings } = parts.planner;

  /** Where segments.json lies already, or the usual place: in both at once it would be a problem. */
  async function segmentsKey(job: string, signal: AbortSignal): Promise<string> {
    for (const key of SEGMENTS_KEYS) if ((await store.head(layout.jobKey(job, key), signal)) !== null) return key;
    return SEGMENTS_KEY;
  }

  return [
    defineRoute({
      method: 'post',
      path: '/api/pipeline/segment',
      summary: 'Have a recording cut into segments.',
      access: 'operator',
      body: SegmentRequest,
      maxBodyBytes: settings.maxManifestBytes,
      answers: { 202: { description: 'Where the segments will lie.', schema: SegmentAnswer } },
      async handle({ body: request, signal }) {
        requireCredentials(parts);
        const { job_id: job } = request;
        if ((await store.head(layout.jobKey(job, 'cancel.json'), signal)) !== null) {
          const fix = `POST /api/jobs/${job}/resume first, or take another job_id.`;
          throw new RequestError('CONFLICT', `${job} is cancelled, so nothing of it would be done`, { fix });
        }
        const { count, text } = await readSegments(parts, request, signal);
        await stageInputs(parts, request, signal);
        if (text !== null) {
          const key = layout.jobKey(job, await segmentsKey(job, signal));
          const before = await readObjectText(store, key, settings.maxManifestBytes, signal);
          if (text !== before) await store.put(key, text, { contentType: 'application/json', signal });
        }
        // Its events do the same, where none of them is lost: nobody has to wait for this.
        await lookAgain(parts, job, 'somebody asked for segments', 0);
        const outputs = Array.from({ length: count }, (_, index) => jobUri(parts.planner, job, segmentKey(index)));
        return { status: 202, json: { job_id: job, expected: count, outputs } };
      },
    }),

    defineRoute({
      method: 'get',
      path: '/api/pipeline/status',
      summary: 'Which segments are there.',
      access: 'operator',
      query: SegmentStatusQuery,
      answers: { 200: { description: 'The segments by index.', schema: SegmentStatus } },
      async handle({ query, signal }) {
        return { status: 200, json: await segmentStatus(parts, query, signal) };
      },
    }),
  ];
}
