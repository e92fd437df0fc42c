/** One action of the API: the shape of its input, and what it does. */
import { z } from 'zod';
import { missingParameter, SqsFault } from './faults.ts';
import type { Service } from './service.ts';

export type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [name: string]: Json };

export interface Caller {
  /** Aborted when the connection has gone. */
  readonly signal: AbortSignal;
}

export interface Reply {
  readonly body: Readonly<Record<string, Json>>;
  /** Called where the reply could not be written. */
  readonly undelivered?: () => Promise<void>;
}

/** Rejects with an SqsFault. `input` is the request's JSON, not yet looked at. */
export type Action = (service: Service, input: unknown, caller: Caller) => Promise<Reply>;

export function action<T extends z.ZodType>(
  schema: T,
  run: (service: Service, input: z.output<T>, caller: Caller) => Promise<Reply>,
): Action {
  return async (service, input, caller) => await run(service, parseInput(schema, input), caller);
}

function parseInput<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const parsed = schema.safeParse(input, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  if (issue?.code === 'invalid_type' && issue.input === undefined) throw missingParameter(path);
  throw new SqsFault('SerializationException', `The member ${path === '' ? 'at the top' : path} has the wrong type.`);
}

/** Text that must be there and not empty: SQS takes '' for absent. */
export const RequiredText = z.preprocess((value) => (value === '' ? undefined : value), z.string());
export const QueueUrl = z.object({ QueueUrl: RequiredText });
export const TextMap = z.record(z.string(), z.string());
