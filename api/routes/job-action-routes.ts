/** What can be asked of a job: another try, a stop, to go on, to be gone. */
import { hasJob, liftCancel, writeCancel } from '../../pipeline/cancel-job.ts';
import { deleteJob } from '../../pipeline/delete-job.ts';
import { type RetrySelection, retriesIn, whyNoRetry, writeRetries } from '../../pipeline/retry.ts';
import {
  CancelAnswer,
  CancelRequest,
  DeleteAnswer,
  MAX_NAMED,
  ResumeAnswer,
  ResumeRequest,
  RetryAnswer,
  RetryRequest,
} from '../documents/job-actions.ts';
import { lookAgain } from '../look-again.ts';
import type { ApiParts } from '../parts.ts';
import { RequestError } from '../problem.ts';
import { requireCredentials } from '../require-credentials.ts';
import { defineRoute, type Route } from '../route.ts';
import { JobParams, noJob, planKnownJob } from './job-routes.ts';

/** A request is answered within a minute, also where a job has a hundred thousand objects. */
const DELETE_MS = 45_000;

export function jobActionRoutes(parts: ApiParts): Route[] {
  const { planner, randomId, now } = parts;

  async function requireJob(job: string, signal: AbortSignal): Promise<void> {
    requireCredentials(parts);
    // A mistyped id would make a folder, and a later job of that name would begin cancelled.
    if (!(await hasJob(planner, job, signal))) throw noJob(job);
  }

  return [
    defineRoute({
      method: 'post',
      path: '/api/jobs/{job_id}/retry',
      summary: 'Try again what has failed for good, and make again what was made and is gone.',
      access: 'operator',
      params: JobParams,
      body: RetryRequest,
      bodyOptional: true,
      answers: { 202: { description: 'What is tried again.', schema: RetryAnswer } },
      async handle({ params: { job_id: job }, body: { stage, items }, signal }) {
        const { plan } = await planKnownJob(parts, job, signal);
        const selection: RetrySelection = {
          ...(stage === undefined ? {} : { stage }),
          ...(items === undefined ? {} : { items: new Set(items) }),
        };
        const refusal = whyNoRetry(plan, selection);
        if (refusal !== undefined) throw new RequestError('CONFLICT', refusal.message, { fix: refusal.fix });
        const attempts = retriesIn(plan, selection);
        let reconciled = false;
        if (attempts.length > 0) {
          await writeRetries({ store: planner.store, layout: planner.layout, randomId }, job, attempts, now());
          reconciled = await lookAgain(parts, job, 'somebody asked for a retry');
        }
        const named = attempts.slice(0, MAX_NAMED).map((one) => ({
          stage: one.stage,
          item: one.item,
          after_attempt: one.attempt,
        }));
        return { status: 202, json: { job_id: job, retried: attempts.length, items: named, reconciled } };
      },
    }),

    defineRoute({
      method: 'post',
      path: '/api/jobs/{job_id}/cancel',
      summary: 'Stop the job: its runs are cancelled, and nothing more of it is dispatched.',
      access: 'operator',
      params: JobParams,
      body: CancelRequest,
      bodyOptional: true,
      answers: { 202: { description: 'It stops.', schema: CancelAnswer } },
      async handle({ params: { job_id: job }, body: { reason }, signal }) {
        await requireJob(job, signal);
        const isNew = await writeCancel(planner, job, reason);
        const reconciled = await lookAgain(parts, job, 'somebody cancelled it');
        return { status: 202, json: { job_id: job, was_cancelled: !isNew, reconciled } };
      },
    }),

    defineRoute({
      method: 'post',
      path: '/api/jobs/{job_id}/resume',
      summary: 'Lift a cancel: the job goes on with what is not done.',
      access: 'operator',
      params: JobParams,
      body: ResumeRequest,
      bodyOptional: true,
      answers: { 202: { description: 'It goes on.', schema: ResumeAnswer } },
      async handle({ params: { job_id: job }, signal }) {
        await requireJob(job, signal);
        const wasCancelled = await liftCancel(planner, job);
        const reconciled = await lookAgain(parts, job, 'somebody lifted its cancel');
        return { status: 202, json: { job_id: job, was_cancelled: wasCancelled, reconciled } };
      },
    }),

    defineRoute({
      method: 'delete',
      path: '/api/jobs/{job_id}',
      summary: 'Cancel the job, and once its runs have stopped delete all there is of it.',
      access: 'operator',
      params: JobParams,
      answers: {
        200: { description: 'It is gone, or never was.', schema: DeleteAnswer },
        202: { description: 'It is cancelled and not gone yet: ask again.', schema: DeleteAnswer },
      },
      async handle({ params: { job_id: job } }) {
        requireCredentials(parts);
        // Whoever asked may be gone before it ends; half a deletion is worse than a whole one.
        const look = parts.reconcile ?? ((id: string) => lookAgain(parts, id, 'it is being deleted'));
        const deleted = await deleteJob(planner, job, { look, untilMs: now() + DELETE_MS });
        const json = {
          job_id: job,
          deleted_objects: deleted.objects,
          deleted_state_objects: deleted.stateObjects,
          running: deleted.running,
          finished: deleted.isFinished,
        };
        return { status: deleted.isFinished ? 200 : 202, json };
      },
    }),
  ];
}
