/** What every refusal and every failure is answered with: RFC 9457's problem details, `application/problem+json`. */
import { z } from 'zod';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

export const ProblemDetails = z
  .object({
    type: z.string().describe('`/errors/<code>`: what the code means.'),
    title: z.string().describe('The meaning of the code, the same for every occurrence.'),
    status: z.int().min(400).max(599),
    detail: z.string().describe('What is wrong here, in one sentence.'),
    instance: z.string().describe('The path that was asked for.'),
    code: z.string().describe('Stable: one of docs/error-codes.md.'),
    retryable: z.boolean().describe('Whether the same request, unchanged, can succeed later.'),
    fix: z.string().optional().describe('What to do.'),
    errors: z
      .array(z.object({ field: z.string(), expected: z.string(), found: z.string(), text: z.string() }))
      .optional()
      .describe('One for each wrong field; `text` is segments[57].duration_sec: expected a number above 0, found -2.'),
    request_id: z.string().describe('The same as in the header x-request-id and in the log.'),
  })
  .meta({ id: 'ProblemDetails' });
export type ProblemDetails = z.infer<typeof ProblemDetails>;

/** `GET /errors/{code}` */
export const ErrorMeaning = z
  .object({ code: z.string(), meaning: z.string(), retryable: z.boolean() })
  .meta({ id: 'ErrorMeaning' });
