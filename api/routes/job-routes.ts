/** Jobs to look at: all of them, one, one item's story, and a stream of what changes. */
import { z } from 'zod';
import { JobId } from '../../manifests/job-key.ts';
import { StageName } from '../../manifests/pipeline.ts';
import { askRuns } from '../../pipeline/ask-runs.ts';
import { hasJob } from '../../pipeline/cancel-job.ts';
import { tellCircumstances, whyNoItem } from '../../pipeline/item-circumstances.ts';
import { tellItemStory } from '../../pipeline/item-story.ts';
import { type PlannedJob, planJob } from '../../pipeline/job-plan.ts';
import { inParallel } from '../../pipeline/parallel.ts';
import { StoryView } from '../documents/item-story.ts';
import { JobAnswer, JobQuery } from '../documents/job.ts';
import { DEFAULT_JOBS, JobList, type JobSummary, JobsQuery } from '../documents/jobs.ts';
import { jobEvents } from '../event-stream.ts';
import { isoTime, itemView } from '../item-view.ts';
import type { JobCosts } from '../job-costs.ts';
import { itemPage } from '../job-items.ts';
import { isNoJob, jobSummary, jobView } from '../job-view.ts';
import type { JobWatch } from '../job-watch.ts';
import { jobHref, withQuery } from '../links.ts';
import type { ApiParts } from '../parts.ts';
import { RequestError } from '../problem.ts';
import { requireCredentials } from '../require-credentials.ts';
import { defineRoute, type Route } from '../route.ts';

export const JobParams = z.object({ job_id: JobId });
const ItemParams = z.object({
  job_id: JobId,
  stage: StageName,
  item: z.string().regex(/^\d{1,9}$/, { error: "expected an item's number" }),
});

const PLANS_AT_ONCE = 4;

/** Throws NOT_FOUND where the bucket knows nothing of such a job. */
export async function planKnownJob(parts: ApiParts, job: string, signal?: AbortSignal): Promise<PlannedJob> {
  requireCredentials(parts);
  const planned = await planJob(parts.planner, job, signal);
  if (isNoJob(planned.snapshot)) throw noJob(job);
  return planned;
}

export const noJob = (job: string): RequestError =>
  new RequestError('NOT_FOUND', `there is no job ${JSON.stringify(job)}`, { fix: 'GET /api/jobs lists those that there are.' });

export function jobRoutes(parts: ApiParts, watch: JobWatch, costs: JobCosts): Route[] {
  const { planner } = parts;

  async function jobIds(after: string | undefined, most: number, signal: AbortSignal): Promise<string[]> {
    const ids: string[] = [];
    const options = { signal, ...(after === undefined ? {} : { startAfter: after }) };
    for await (const names of planner.store.listFolders(`${planner.layout.pipelinesPrefix}/`, options)) {
      // Folders whose names are no job's hold no work.
      ids.push(...names.filter((name) => JobId.safeParse(name).success));
      if (ids.length >= most) break;
    }
    return ids.slice(0, most);
  }

  return [
    defineRoute({
      method: 'get',
      path: '/api/jobs',
      summary: 'The jobs in the bucket, with their state.',
      access: 'operator',
      query: JobsQuery,
      answers: { 200: { description: 'A page of jobs.', schema: JobList } },
      async handle({ query: { limit = DEFAULT_JOBS, after }, signal }) {
        requireCredentials(parts);
        const ids = await jobIds(after, limit + 1, signal);
        const page = ids.slice(0, limit);
        const jobs: JobSummary[] = [];
        await inParallel(PLANS_AT_ONCE, page, async (id, index) => {
          jobs[index] = jobSummary(await planJob(planner, id, signal));
        });
        const next = ids.length > limit ? withQuery('/api/jobs', { limit, after: page.at(-1) }) : null;
        return { status: 200, json: { jobs, next } };
      },
    }),

    defineRoute({
      method: 'get',
      path: '/api/jobs/{job_id}',
      summary: 'One job: its stages, what needs somebody, and a page of its items.',
      access: 'operator',
      params: JobParams,
      query: JobQuery,
      answers: { 200: { description: 'The job.', schema: JobAnswer } },
      async handle({ params: { job_id: job }, query, signal }) {
        const planned = await planKnownJob(parts, job, signal);
        const { items, after } = itemPage(planned.plan, query);
        const { stage, limit, phase, cost } = query;
        const next = after === null ? null : withQuery(jobHref(job), { stage, phase: phase?.join(','), limit, cost, after });
        const view = jobView(planned, await costs.of(planned, cost, signal));
        return { status: 200, json: { ...view, items: items.map((item) => itemView(planned, item)), next } };
      },
    }),

    defineRoute({
      method: 'get',
      path: '/api/jobs/{job_id}/items/{stage}/{item}',
      summary: "One item's story, from its claim to its end.",
      access: 'operator',
      params: ItemParams,
      answers: { 200: { description: 'The item and its story.', schema: StoryView } },
      async handle({ params: { job_id: job, stage, item }, signal }) {
        const planned = await planKnownJob(parts, job, signal);
        const story = await tellItemStory(planner, planned, stage, item, signal);
        if (story === undefined) {
          const { why, fix } = whyNoItem(planned, stage, item);
          throw new RequestError('NOT_FOUND', why, fix === undefined ? {} : { fix });
        }
        const { fingerprint } = story.item;
        const runs = await askRuns(story.openRuns, parts.runpod, signal);
        return {
          status: 200,
          json: {
            ...itemView(planned, story.item),
            job_id: job,
            fingerprint,
            mark: markOf(story.mark, fingerprint),
            story: story.lines.map((line) => ({
              at: isoTime(line.atMs),
              attempt: line.attempt,
              what: line.what,
              outdated: line.fingerprint !== '' && line.fingerprint !== fingerprint,
            })),
            runs: runs.map(({ runId, endpoint, says }) => ({ run_id: runId, endpoint, says })),
            circumstances: await tellCircumstances(planner, planned, story.item, Date.now(), signal),
          },
        };
      },
    }),

    defineRoute({
      method: 'get',
      path: '/api/jobs/{job_id}/events',
      summary: 'The job whenever it changes, until it has ended.',
      access: 'operator',
      params: JobParams,
      answers: { 200: { description: 'Server-sent events.', mediaType: 'text/event-stream' } },
      async handle({ params: { job_id: job }, method, signal }) {
        // Before the stream begins: an EventSource cannot read what an error says.
        requireCredentials(parts);
        if (!(await hasJob(planner, job, signal))) throw noJob(job);
        if (method === 'HEAD') return new Response(null, { headers: { 'content-type': 'text/event-stream' } });
        return jobEvents({ watch, job, signal });
      },
    }),
  ];
}

function markOf(mark: string | null | undefined, fingerprint: string): StoryView['mark'] {
  if (mark === undefined) return 'none';
  if (mark === null) return 'unmarked';
  return mark === fingerprint ? 'current' : 'outdated';
}
