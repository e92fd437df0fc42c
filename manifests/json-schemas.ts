/**
 * The JSON Schemas, for editors and for other programs. Made from the zod schemas; what zod alone can say (rules
 * about several fields) is lost in them, so a document that passes here can still be refused.
 *
 * Draft 7 on purpose: VS Code's JSON support is complete for drafts 4 to 7 and partial for 2019-09 and 2020-12.
 */
import { z } from 'zod';
import { ChunkList } from './chunks.ts';
import { MANIFEST_KINDS } from './kinds.ts';
import { Problem } from './problem.ts';
import { Result } from './result.ts';
import { TASK_PARAMETERS, type WorkerTaskName } from './tasks.ts';
import { WebhookEvent } from './webhook-event.ts';

/** RunPod's `input`, with the parameters of each task. */
const TaskInputByTask = z.discriminatedUnion('task', [
  taskInput('STAGE_OBJECT'),
  taskInput('AUDIO_TRIM'),
  taskInput('DOWNSAMPLING'),
  taskInput('ENCODING'),
  taskInput('CONCATENATION'),
  taskInput('JOIN_CHUNKS'),
  z.object({ task: z.literal('PING'), parameters: TASK_PARAMETERS.PING.optional() }),
]);

function taskInput<Name extends WorkerTaskName>(task: Name) {
  return z.object({ task: z.literal(task), parameters: TASK_PARAMETERS[task] });
}

const DOCUMENTS = {
  segments: {
    schema: MANIFEST_KINDS.segments.schema,
    title: 'segments.json',
    description: 'Which spans of the master become segments; one AUDIO_TRIM each.',
    examples: [{ segments: [{ start_sec: 0, duration_sec: 12.5 }] }, [{ start_sec: 0, duration_sec: 12.5 }]],
  },
  sources: {
    schema: MANIFEST_KINDS.sources.schema,
    title: 'sources.json',
    description: 'Files to fetch into the job; one STAGE_OBJECT each.',
    examples: [{ sources: [{ source_uri: 'https://media.example.com/master.m4a', dest_key: 'inputs/audio/master.m4a' }] }],
  },
  encoding: {
    schema: MANIFEST_KINDS.encoding.schema,
    title: 'encoding.json',
    description: 'How the final video is made; turns on ENCODING.',
    examples: [{ language: 'en', subtitles: true }],
  },
  pipeline: {
    schema: MANIFEST_KINDS.pipeline.schema,
    title: 'pipeline.json',
    description: "A job's own stage graph, in place of the built-in one.",
    examples: [],
  },
  cancel: {
    schema: MANIFEST_KINDS.cancel.schema,
    title: 'cancel.json',
    description: 'Stops the job for as long as it lies there.',
    examples: [{ reason: 'Wrong master.' }],
  },
  webhooks: {
    schema: MANIFEST_KINDS.webhooks.schema,
    title: 'webhooks.json',
    description: 'Whom to tell when this job, or a stage of it, has ended.',
    examples: [{ version: 1, url: 'https://hooks.example.com/millrace', events: ['job.ended', 'stage.ended'] }],
  },
  'webhook-event': {
    schema: WebhookEvent,
    title: 'Webhook',
    description: 'The body of a webhook: what has ended, and how.',
    examples: [],
  },
  chunks: {
    schema: ChunkList,
    title: 'chunks.json',
    description: 'The chunks of a long video; written by the worker that found it to be long.',
    examples: [],
  },
  'task-input': {
    schema: TaskInputByTask,
    title: "RunPod's input",
    description: 'What the worker is called with: a task and its parameters.',
    examples: [{ task: 'PING' }],
  },
  result: {
    schema: Result,
    title: 'Result',
    description: 'Written when an item ends, well or badly: results/<stage>/<item>/<fingerprint>.<attempt>.<status>.json.',
    examples: [],
  },
  problem: {
    schema: Problem,
    title: 'Problem',
    description: 'Written beside a manifest that cannot be accepted: problems/<name>.<version>.json.',
    examples: [],
  },
} as const;

export type JsonSchemaName = keyof typeof DOCUMENTS;

/** Every JSON Schema by its name: `schemas/<name>.schema.json`. */
export function jsonSchemas(): Readonly<Record<JsonSchemaName, Readonly<Record<string, unknown>>>> {
  return {
    segments: jsonSchema('segments'),
    sources: jsonSchema('sources'),
    encoding: jsonSchema('encoding'),
    pipeline: jsonSchema('pipeline'),
    cancel: jsonSchema('cancel'),
    webhooks: jsonSchema('webhooks'),
    'webhook-event': jsonSchema('webhook-event'),
    chunks: jsonSchema('chunks'),
    'task-input': jsonSchema('task-input'),
    result: jsonSchema('result'),
    problem: jsonSchema('problem'),
  };
}

function jsonSchema(name: JsonSchemaName): Readonly<Record<string, unknown>> {
  const { schema, title, description, examples } = DOCUMENTS[name];
  const { $schema, '~standard': _, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  const shown = examples.length === 0 ? {} : { examples };
  return { $schema, $id: `urn:millrace:schema:${name}`, title, description, ...shown, ...rest };
}
