/** `webhooks.json`: whom to tell when this job, or a stage of it, has ended. */
import { z } from 'zod';

const EVENTS = ['job.ended', 'stage.ended'] as const;
export const WebhookEventName = z.enum(EVENTS);
export type WebhookEventName = z.infer<typeof WebhookEventName>;

const URL_ERROR = 'expected an http(s) URL without a user name or password';
const MAX_URL_CHARACTERS = 2048;

export const Webhooks = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1).describe('The version of this format.'),
  url: z
    .string({ error: URL_ERROR })
    .max(MAX_URL_CHARACTERS, { error: `expected a URL of at most ${MAX_URL_CHARACTERS} characters` })
    .regex(/^https?:\/\/[^\s/?#@]+([/?#]\S*)?$/, { error: URL_ERROR })
    .meta({ description: 'What is called, with a POST.', examples: ['https://hooks.example.com/millrace'] }),
  events: z
    .array(WebhookEventName, { error: 'expected an array of events' })
    .min(1, { error: 'expected at least one event' })
    .max(EVENTS.length, { error: `expected at most ${EVENTS.length} events` })
    .default(['job.ended'])
    .describe('What is told: the end of the job, of each stage, or both.'),
});
export type Webhooks = z.infer<typeof Webhooks>;
