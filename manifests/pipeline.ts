/** `pipeline.json`: a stage graph. The built-in pipeline is one (`built-in.pipeline.json`). */
import { z } from 'zod';
import { isJobKey, isReservedKey } from './job-key.ts';
import { TASK_NAMES } from './task-names.ts';

/** Stage names become parts of keys. */
export const StageName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, { error: 'expected a stage name: lower-case letters, digits and dashes, a letter first' });

const InputName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, { error: 'expected an input name: lower-case letters, digits and underscores' });

const KeyPattern = z
  .string({ error: "expected a key pattern inside the job's folder" })
  .refine((key) => isJobKey(key.replaceAll(/\$\{[^}]*\}/g, 'x')), {
    error: "expected a key inside the job's folder (no leading slash, no ..)",
  })
  .refine((key) => !isReservedKey(key), { error: 'expected a key outside results/ and problems/, which Millrace writes itself' });

const InputKeyPattern = KeyPattern.refine((key) => (key.match(/\*/g) ?? []).length <= 1 && !/\*.*\//.test(key), {
  error: 'expected at most one *, in the last part of the key',
});

const OutputKeyPattern = KeyPattern.refine((key) => !key.includes('*'), { error: 'expected a key without *' });

const ManifestKey = KeyPattern.refine((key) => !/[*$]/.test(key), { error: 'expected a plain key, without * or ${…}' });

/** A reference and nothing else, so that the value keeps its type. */
const Reference = z.string().regex(/^\$\{[^}]+\}$/, { error: 'expected one reference such as ${manifest.segments}' });

export const StageInput = z.union([
  z.strictObject({
    key: InputKeyPattern.describe(
      "A key inside the job's folder; one * in its last part matches any text, and exactly one object may match.",
    ),
    optional: z.boolean().optional().describe('Use it where it is there; do not wait for it.'),
    when: Reference.optional().describe('Wanted only where this reference is true, such as ${manifest.subtitles}.'),
  }),
  z.strictObject({
    stage: StageName.describe('Every output of that stage, in item order: the fan-in.'),
    optional: z.boolean().optional(),
  }),
]);
export type StageInput = z.infer<typeof StageInput>;

export const StageManifest = z.strictObject({
  keys: z.array(ManifestKey).min(1).max(4).describe('Where the manifest may lie; in two places at once is a problem.'),
  type: z.enum(['segments', 'sources', 'encoding', 'json']).describe('Which schema it has; json is any JSON object.'),
});
export type StageManifest = z.infer<typeof StageManifest>;

const seconds = (least: number, most: number) =>
  z
    .number()
    .min(least, { error: `expected at least ${least} seconds` })
    .max(most, { error: `expected at most ${most} seconds` });

const SEVEN_DAYS_SEC = 7 * 24 * 3600;

export const Stage = z
  .strictObject({
    description: z.string().optional(),
    manifest: StageManifest.optional().describe('The manifest that turns the stage on.'),
    inputs: z.record(InputName, StageInput).optional(),
    for_each: Reference.optional().describe(
      'A list: one item per entry. ${manifest.segments}, or ${inputs.cuts.segments} for a JSON input.',
    ),
    task: z.enum(TASK_NAMES).optional().describe("One of the worker's tasks."),
    endpoint: z.string().min(1).optional().describe('Another RunPod endpoint, for a model that is not ours; needs payload.'),
    payload: z
      .record(z.string(), z.json())
      .optional()
      .describe('What that endpoint gets as its input, with references substituted.'),
    external: z.literal(true).optional().describe('Something else makes the outputs; fan-in waits for them all the same.'),
    parameters: z.record(z.string(), z.json()).optional().describe("The task's parameters, with references substituted."),
    output: OutputKeyPattern.describe('The key of the output of one item.'),
    content_type: z.string().optional().describe('Stored with the output.'),
    items_per_run: z.int().min(1).max(1000).default(1).describe('How many items one run may carry.'),
    max_attempts: z.int().min(1).max(12).default(3).describe('How often an item may fail.'),
    execution_timeout_sec: seconds(5, SEVEN_DAYS_SEC).default(600).describe("RunPod's executionTimeout."),
    ttl_sec: seconds(10, SEVEN_DAYS_SEC)
      .default(86_400)
      .describe("RunPod's ttl: waiting and working together; presigned URLs are valid as long."),
    patience_sec: seconds(1, SEVEN_DAYS_SEC)
      .default(900)
      .describe('How old a claim without a result may be before the sweep asks RunPod about it.'),
  })
  .superRefine((stage, context) => {
    const kinds = [stage.task, stage.endpoint, stage.external].filter((kind) => kind !== undefined);
    if (kinds.length !== 1) context.addIssue({ code: 'custom', message: 'expected exactly one of task, endpoint, external' });
    if ((stage.endpoint === undefined) !== (stage.payload === undefined)) {
      context.addIssue({ code: 'custom', path: ['payload'], message: 'expected endpoint and payload together' });
    }
    if (stage.task !== 'AUDIO_TRIM' && stage.items_per_run > 1) {
      context.addIssue({ code: 'custom', path: ['items_per_run'], message: 'expected 1: only AUDIO_TRIM has a batch form' });
    }
  });
export type Stage = z.infer<typeof Stage>;

export const Pipeline = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1),
  name: z.string().max(128).optional(),
  stages: z
    .record(StageName, Stage)
    .refine((stages) => Object.keys(stages).length >= 1, { error: 'expected at least one stage' })
    .refine((stages) => Object.keys(stages).length <= 64, { error: 'expected at most 64 stages' }),
});
export type Pipeline = z.infer<typeof Pipeline>;
