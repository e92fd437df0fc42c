/** `pipeline.json`: a stage graph. The built-in pipeline is one (`built-in.pipeline.json`). */
import { z } from 'zod';
import { StageChunks } from './chunks.ts';
import { jobKey } from './job-key.ts';
import { numberBetween, wholeNumberBetween } from './numbers.ts';
import { TASK_NAMES } from './task-names.ts';

const matching = (error: string, pattern: RegExp) => z.string({ error }).regex(pattern, { error });

/** Stage names become parts of keys. */
export const StageName = matching(
  'expected a stage name: lower-case letters, digits and dashes, a letter first',
  /^[a-z][a-z0-9-]{0,62}$/,
);

const InputName = matching(
  'expected an input name: lower-case letters, digits and underscores, a letter first',
  /^[a-z][a-z0-9_]{0,62}$/,
);

const InputKeyPattern = jobKey().regex(/^[^*]*(\*[^*/]*)?$/, {
  error: 'expected at most one *, in the last part of the key',
});

const OutputKeyPattern = jobKey().regex(/^[^*]*$/, { error: 'expected a key without *' });

const ManifestKey = jobKey().regex(/^[^*$]*$/, { error: 'expected a plain key, without * or ${…}' });

/** A reference and nothing else, so that the value keeps its type. */
const Reference = matching('expected one reference such as ${manifest.segments}', /^\$\{[^}]+\}$/);

/** Any JSON: references are found in it wherever they are. */
const AnyJson = z.json().meta({ id: 'AnyJson' });

export const StageInput = z
  .union(
    [
      z.strictObject({
        key: InputKeyPattern.meta({
          description:
            "A key inside the job's folder; one * in its last part matches any text, and exactly one object may match.",
          examples: ['inputs/audio/master.*', 'inputs/subtitles/${manifest.language}.ass'],
        }),
        many: z.literal(true).optional().describe('Every object that matches, as a list in the order of their keys: fonts/*.'),
        optional: z.boolean().optional().describe('Use it where it is there; do not wait for it.'),
        when: Reference.optional().describe('Wanted only where this reference is true, such as ${manifest.subtitles}.'),
      }),
      z.strictObject({
        stage: StageName.describe('Every output of that stage, in item order: the fan-in.'),
        optional: z.boolean().optional().describe('Use them where they are all there; do not wait for them.'),
      }),
    ],
    { error: 'expected an object with either "key" (an object of the job) or "stage" (the outputs of that stage)' },
  )
  .meta({ id: 'StageInput' });
export type StageInput = z.infer<typeof StageInput>;

const MAX_MANIFEST_KEYS = 4;

export const StageManifest = z.strictObject({
  keys: z
    .array(ManifestKey, { error: 'expected an array of keys' })
    .min(1, { error: 'expected at least one key' })
    .max(MAX_MANIFEST_KEYS, { error: `expected at most ${MAX_MANIFEST_KEYS} keys` })
    .describe('Where the manifest may lie; in two places at once is a problem.'),
  type: z.enum(['segments', 'sources', 'encoding', 'json']).describe('Which schema it has; json is any JSON object.'),
});
export type StageManifest = z.infer<typeof StageManifest>;

const SEVEN_DAYS_SEC = 7 * 24 * 3600;

/** Exactly one of these says who makes a stage's outputs. */
const MAKERS = ['task', 'endpoint', 'external'] as const;

export const Stage = z
  .strictObject({
    description: z.string().optional().describe('For whoever reads the graph.'),
    manifest: StageManifest.optional().describe('The manifest that turns the stage on.'),
    inputs: z
      .record(InputName, StageInput)
      .optional()
      .describe('What the stage needs before it can run, by the names that ${inputs.…} uses.'),
    for_each: Reference.optional().describe(
      'A list: one item per entry. ${manifest.segments}, or ${inputs.cuts.segments} for a JSON input.',
    ),
    task: z.enum(TASK_NAMES).optional().describe("One of the worker's tasks."),
    endpoint: z.string().min(1).optional().describe('Another RunPod endpoint, for a model that is not ours; needs payload.'),
    payload: z
      .record(z.string(), AnyJson)
      .optional()
      .describe('What that endpoint gets as its input, with references substituted.'),
    external: z.literal(true).optional().describe('Something else makes the outputs; fan-in waits for them all the same.'),
    parameters: z.record(z.string(), AnyJson).optional().describe("The task's parameters, with references substituted."),
    output: OutputKeyPattern.meta({
      description: "The key of one item's output, inside the job's folder.",
      examples: ['stage/segmentation/audio_segments/segment_${index}.wav'],
    }),
    chunks: StageChunks.optional().describe(
      'Make long sources in chunks, on as many workers as there are, and join them: DOWNSAMPLING and ENCODING only.',
    ),
    items_per_run: wholeNumberBetween(1, 1000).default(1).describe('How many items one run may carry.'),
    max_attempts: wholeNumberBetween(1, 12).default(3).describe('How often an item may fail.'),
    retry_delay_sec: numberBetween(0, 3600, 'seconds')
      .default(10)
      .describe('How long after a failure an item is tried again; twice as long after every further one, up to an hour.'),
    execution_timeout_sec: numberBetween(5, SEVEN_DAYS_SEC, 'seconds').default(600).describe("RunPod's executionTimeout."),
    ttl_sec: numberBetween(10, SEVEN_DAYS_SEC, 'seconds')
      .default(86_400)
      .describe("RunPod's ttl: waiting and working together; presigned URLs are valid as long."),
    patience_sec: numberBetween(1, SEVEN_DAYS_SEC, 'seconds')
      .default(900)
      .describe('How old a claim without a result may be before the sweep asks RunPod about it.'),
  })
  .superRefine((stage, context) => {
    const refuse = (path: string[], message: string, found?: string) =>
      context.addIssue({ code: 'custom', path, message, ...(found === undefined ? {} : { params: { found } }) });

    const makers = MAKERS.filter((maker) => stage[maker] !== undefined);
    if (makers.length !== 1) {
      refuse([], 'expected exactly one of task, endpoint, external', makers.join(' and ') || 'none of them');
      return;
    }
    if (stage.endpoint !== undefined && stage.payload === undefined) {
      refuse(['payload'], 'expected an object, because endpoint is given');
    }
    if (stage.endpoint === undefined && stage.payload !== undefined) {
      refuse(['payload'], 'expected nothing here without endpoint (a task takes parameters)');
    }
    if (stage.task === undefined && stage.parameters !== undefined) {
      refuse(['parameters'], 'expected nothing here without task (an endpoint takes payload)');
    }
    if (stage.task !== 'AUDIO_TRIM' && stage.items_per_run > 1) {
      refuse(['items_per_run'], 'expected 1, because only AUDIO_TRIM has a batch form');
    }
    if (stage.chunks !== undefined && !(stage.task === 'DOWNSAMPLING' || stage.task === 'ENCODING')) {
      refuse(['chunks'], 'expected nothing here, because only DOWNSAMPLING and ENCODING are made in chunks');
    } else if (stage.chunks !== undefined && stage.for_each !== undefined) {
      refuse(['chunks'], 'expected nothing here with for_each: a stage in chunks has one output');
    }
    if (stage.ttl_sec < stage.execution_timeout_sec) {
      refuse(['ttl_sec'], 'expected at least execution_timeout_sec, which it includes', String(stage.ttl_sec));
    }
  })
  .meta({
    id: 'Stage',
    // The same for editors, as far as JSON Schema can say it.
    oneOf: MAKERS.map((maker) => ({ required: [maker] })),
    dependencies: { endpoint: ['payload'], payload: ['endpoint'], parameters: ['task'] },
  });
export type Stage = z.infer<typeof Stage>;

const MAX_STAGES = 64;

export const Pipeline = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1).describe('The version of this format.'),
  name: z.string().max(128).optional().describe('For whoever reads it.'),
  stages: z
    .record(StageName, Stage)
    .refine((stages) => Object.keys(stages).length >= 1, { error: 'expected at least one stage' })
    .refine((stages) => Object.keys(stages).length <= MAX_STAGES, { error: `expected at most ${MAX_STAGES} stages` })
    .meta({ description: 'The stages by name.', minProperties: 1, maxProperties: MAX_STAGES }),
});
export type Pipeline = z.infer<typeof Pipeline>;
