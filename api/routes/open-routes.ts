/** What anybody may ask: whether this program lives and can work, and what a code means. */
import { z } from 'zod';
import { asMillraceError } from '../../errors.ts';
import { Health } from '../documents/health.ts';
import { ErrorMeaning } from '../documents/problem-details.ts';
import type { ApiParts } from '../parts.ts';
import { meaningOf, RequestError } from '../problem.ts';
import { defineRoute, type JsonAnswer, type Route } from '../route.ts';

/** Health is asked for every few seconds by several: the bucket is asked once. */
const KNOWN_MS = 2_000;
const READY_TIMEOUT_MS = 5_000;

export function openRoutes(parts: ApiParts, isStopping: () => boolean): Route[] {
  const { planner, hasCredentials, now, log } = parts;
  let last: { readonly atMs: number; readonly fault: Promise<string | null> } | undefined;

  /** `null` where the bucket answers. */
  async function bucketFault(): Promise<string | null> {
    if (!hasCredentials) return null;
    try {
      await planner.store.head(`${planner.layout.proofPrefix}probe`, AbortSignal.timeout(READY_TIMEOUT_MS));
      return null;
    } catch (thrown) {
      const error = asMillraceError(thrown, 'STORE_UNREACHABLE');
      log.warn({ error }, 'the bucket does not answer');
      return error.code;
    }
  }

  async function readiness(): Promise<JsonAnswer> {
    if (isStopping()) return { status: 503, json: { status: 'stopping', detail: null } };
    if (last === undefined || now() - last.atMs > KNOWN_MS) last = { atMs: now(), fault: bucketFault() };
    const fault = await last.fault;
    if (fault === null) return { status: 200, json: { status: 'ok', detail: null } };
    return { status: 503, json: { status: 'unavailable', detail: `the bucket does not answer as it should (${fault})` } };
  }

  return [
    defineRoute({
      method: 'get',
      path: '/healthz',
      summary: 'Whether this program lives.',
      access: 'open',
      answers: { 200: { description: 'It does.', schema: Health } },
      handle: async () => ({ status: 200, json: { status: 'ok', detail: null } }),
    }),
    defineRoute({
      method: 'get',
      path: '/readyz',
      summary: 'Whether it can work: the bucket answers.',
      access: 'open',
      answers: {
        200: { description: 'It can.', schema: Health },
        503: { description: 'It cannot now, or it is stopping.', schema: Health },
      },
      handle: readiness,
    }),
    defineRoute({
      method: 'get',
      path: '/errors/{code}',
      summary: 'What a code means.',
      access: 'open',
      params: z.object({ code: z.string().regex(/^[A-Z_]{1,64}$/, { error: 'expected a code, such as MANIFEST_INVALID' }) }),
      answers: { 200: { description: 'Its meaning.', schema: ErrorMeaning } },
      async handle({ params: { code } }) {
        const found = meaningOf(code);
        if (found === null) throw new RequestError('NOT_FOUND', `there is no code ${code}`);
        return { status: 200, json: found };
      },
    }),
  ];
}
