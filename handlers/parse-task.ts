/** From RunPod's `input` to a task with typed parameters. */
import { z } from 'zod';
import { MillraceError, withoutSecrets } from '../errors.ts';
import { parseValue } from '../manifests/parse.ts';
import { RunContext } from '../manifests/run-context.ts';
import { TASK_PARAMETERS, TaskInput, WORKER_TASK_NAMES, type WorkerTaskName } from '../manifests/tasks.ts';

export type ParsedTask = {
  [Name in WorkerTaskName]: { readonly task: Name; readonly parameters: z.infer<(typeof TASK_PARAMETERS)[Name]> };
}[WorkerTaskName];

/** What every payload looks like, before it is known to be right. */
const Envelope = z.object({ task: z.string().optional(), parameters: z.record(z.string(), z.unknown()).optional() });

export interface TaskEnvelope {
  /** As given, as far as it can be printed; `unknown` where there is none. */
  readonly task: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

const MAX_TASK_CHARACTERS = 64;

export function envelopeOf(input: unknown): TaskEnvelope {
  const envelope = Envelope.safeParse(input);
  // Logs and results show it, and whoever sends the wrong field may send a presigned URL.
  const task = withoutSecrets(envelope.data?.task ?? 'unknown').slice(0, MAX_TASK_CHARACTERS);
  return { task, parameters: envelope.data?.parameters ?? {} };
}

/** Throws TASK_UNKNOWN or PARAMETERS_INVALID with one clause per wrong field. */
export function parseTask(input: unknown): ParsedTask {
  const { task } = envelopeOf(input);
  if (task !== 'unknown' && !WORKER_TASK_NAMES.some((name) => name === task)) {
    throw new MillraceError(
      'TASK_UNKNOWN',
      `There is no task ${JSON.stringify(task)}; there are ${WORKER_TASK_NAMES.join(', ')}.`,
    );
  }
  return parseParameters(parsedBy(TaskInput, input, 'input'));
}

function parseParameters({ task, parameters }: TaskInput): ParsedTask {
  switch (task) {
    case 'STAGE_OBJECT':
      return { task, parameters: parsedBy(TASK_PARAMETERS[task], parameters, 'parameters') };
    case 'AUDIO_TRIM':
      return { task, parameters: parsedBy(TASK_PARAMETERS[task], parameters, 'parameters') };
    case 'DOWNSAMPLING':
      return { task, parameters: parsedBy(TASK_PARAMETERS[task], parameters, 'parameters') };
    case 'ENCODING':
      return { task, parameters: parsedBy(TASK_PARAMETERS[task], parameters, 'parameters') };
    case 'CONCATENATION':
      return { task, parameters: parsedBy(TASK_PARAMETERS[task], parameters, 'parameters') };
    case 'JOIN_CHUNKS':
      return { task, parameters: parsedBy(TASK_PARAMETERS[task], parameters, 'parameters') };
    case 'PING':
      return { task, parameters: parsedBy(TASK_PARAMETERS[task], parameters, 'parameters') };
  }
}

function parsedBy<Schema extends z.ZodType>(schema: Schema, value: unknown, place: string): z.output<Schema> {
  const parsed = parseValue(schema, value);
  if (parsed.ok) return parsed.value;
  // What was found may be a presigned URL.
  const errors = parsed.errors.map(({ text }) => withoutSecrets(text));
  throw new MillraceError('PARAMETERS_INVALID', `The ${place}: ${errors.join('; ')}`);
}

const MAX_ITEMS = 1000;

/** The run contexts in parameters that may be wrong everywhere else: their own, and one per segment of a batch. */
export function runContextsOf(parameters: Readonly<Record<string, unknown>>): RunContext[] {
  const segments = Array.isArray(parameters.segments) ? parameters.segments.slice(0, MAX_ITEMS) : [];
  return [parameters, ...segments].flatMap((holder: unknown) => {
    const candidate = typeof holder === 'object' && holder !== null && 'millrace' in holder ? holder.millrace : undefined;
    const parsed = RunContext.safeParse(candidate);
    return parsed.success ? [parsed.data] : [];
  });
}
