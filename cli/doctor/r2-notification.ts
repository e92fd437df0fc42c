/** R2's event notifications of the bucket, through Cloudflare's API. The queue's token may not be allowed to see them. */
import { z } from 'zod';
import { callCloudflare } from '../../consumers/cloudflare-call.ts';
import { MillraceError } from '../../errors.ts';
import type { Examination } from './examination.ts';
import { type Finding, ok, skipped } from './finding.ts';
import { judgeRules, type NotificationRule } from './notification-rules.ts';

const CREATED = ['PutObject', 'CopyObject', 'CompleteMultipartUpload'];
const REMOVED = ['DeleteObject', 'LifecycleDeletion'];
const TIMEOUT_MS = 30_000;

const Rule = z.object({
  ruleId: z.string().nullish(),
  prefix: z.string().nullish(),
  suffix: z.string().nullish(),
  actions: z.array(z.string()).default([]),
});
const Configuration = z.object({
  queues: z
    .array(z.object({ queueId: z.string().nullish(), queueName: z.string().nullish(), rules: z.array(Rule).nullish() }))
    .nullish(),
});

/** `queueUrl`: the queue's API URL, without a slash at its end. */
export async function r2Notification(
  examination: Examination,
  queueUrl: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { config, store } = examination;
  const { bucket } = store;
  const jurisdiction = /\.(eu|fedramp)\.r2\.cloudflarestorage\.com$/.exec(new URL(config.S3_ENDPOINT_URL).hostname)?.[1];
  const option = jurisdiction === undefined ? '' : ` --jurisdiction ${jurisdiction}`;
  const look = `npx wrangler r2 bucket notification list ${bucket}${option}`;
  const [, account = '', queueId = ''] = /^(.*)\/queues\/([^/]+)$/.exec(queueUrl) ?? [];
  let found: z.infer<typeof Configuration>;
  try {
    const result = await callCloudflare({
      url: `${account}/event_notifications/r2/${encodeURIComponent(bucket)}/configuration`,
      token: config.CLOUDFLARE_API_TOKEN ?? '',
      body: undefined,
      ...(jurisdiction === undefined ? {} : { headers: { 'cf-r2-jurisdiction': jurisdiction } }),
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    found = Configuration.parse(result ?? {});
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    if (thrown.code === 'QUEUE_FORBIDDEN') {
      const why = 'the API token may not see the bucket\u2019s notifications (Workers R2 Storage: Read)';
      return [
        skipped(
          why,
          `With a login that may: ${look}. Expected: one rule, ${config.MILLRACE_PIPELINES_PREFIX}/, creation and deletion.`,
        ),
      ];
    }
    // A bucket without any rule has no configuration.
    if (thrown.context.status !== 404) throw thrown;
    found = {};
  }
  const queues = found.queues ?? [];
  const ours = queues.find((queue) => queue.queueId === queueId);
  const name = ours?.queueName ?? '<queue>';
  const wrongs = judgeRules(
    (ours?.rules ?? []).map(ruleOf),
    {
      pipelinesPrefix: config.MILLRACE_PIPELINES_PREFIX,
      statePrefix: config.MILLRACE_STATE_PREFIX,
      created: CREATED,
      removed: REMOVED,
      fix: (rule) => {
        const remove =
          rule === undefined
            ? ''
            : `npx wrangler r2 bucket notification delete ${bucket} --queue ${name} --rule ${rule.id}${option} && `;
        const create = `npx wrangler r2 bucket notification create ${bucket} --event-types object-create object-delete`;
        return `${remove}${create} --prefix ${config.MILLRACE_PIPELINES_PREFIX}/ --queue ${name}${option}`;
      },
    },
    ours?.queueName ?? 'the queue of MILLRACE_QUEUE_URL',
  );
  const elsewhere = queues.filter((queue) => queue !== ours).map(({ queueName, queueId: id }) => queueName ?? id);
  if (ours === undefined && elsewhere.length > 0)
    return wrongs.map((each) => ({ ...each, found: `${each.found}; it tells ${elsewhere.join(', ')}` }));
  if (wrongs.length > 0) return wrongs;
  return [
    ok(`the bucket tells ${name} of what is created and removed under ${config.MILLRACE_PIPELINES_PREFIX}/, and of nothing else`),
  ];
}

function ruleOf({ ruleId, prefix, suffix, actions }: z.infer<typeof Rule>): NotificationRule {
  return { id: ruleId ?? '(without an id)', prefix: prefix ?? '', suffix: suffix ?? '', events: new Set(actions) };
}
