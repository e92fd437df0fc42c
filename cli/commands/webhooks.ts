import type { Command } from 'commander';
import { requireVariables } from '../../config.ts';
import type { WebhookAttempt } from '../../manifests/webhook-event.ts';
import { planJob } from '../../pipeline/job-plan.ts';
import type { WebhookTeller } from '../../pipeline/webhook-attempt.ts';
import { type ToldWebhook, toldWebhooks } from '../../pipeline/webhook-records.ts';
import { readWebhookSecret, secretOfJob, writeWebhookSecret } from '../../pipeline/webhook-signature.ts';
import { replayWebhook } from '../../pipeline/webhooks.ts';
import { createPlanner, createProcessId } from '../deployment.ts';
import { EXIT } from '../exit-codes.ts';
import { jobArgument } from '../job-argument.ts';
import { openSession, type Session, stopSignal } from '../session.ts';
import { formatTable, type Terminal } from '../terminal.ts';
import { webhookSettings } from '../webhook-settings.ts';

export function addWebhooks(program: Command): void {
  const command = program
    .command('webhooks')
    .description("See how a job's webhooks went, or send one again.")
    .addHelpText(
      'after',
      `
Examples:
  $ millrace webhooks talk-1
  $ millrace webhooks replay talk-1 9f2c41d07be35a8846e1f0b3a7d5c268
  $ millrace webhooks secret talk-1`,
    );
  addList(command);
  addReplay(command);
  addSecret(command);
}

function addList(command: Command): void {
  command
    .command('list', { isDefault: true })
    .description('Every webhook of a job and how its last attempt went, the latest first. Changes nothing.')
    .argument('<job>', 'the job id', jobArgument)
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExamples:\n  $ millrace webhooks talk-1\n  $ millrace webhooks list talk-1 --json')
    .action(async (job: string, { json }: { json?: true }) => {
      const session = openSession('webhooks');
      const told = await toldWebhooks(openTeller(session), job, stopSignal());
      if (json) session.terminal.print(JSON.stringify({ job, webhooks: told.map(toldDocument) }, null, 2));
      else printTold(job, told, session.terminal);
    });
}

function addReplay(command: Command): void {
  command
    .command('replay')
    .description('Send one again now, with the same id and body, whatever became of it.')
    .argument('<job>', 'the job id', jobArgument)
    .argument('<id>', "the webhook's id, as list prints it")
    .option('--json', 'what became of it as one JSON document')
    .addHelpText(
      'after',
      `
It goes to the URL that the settings, or webhooks.json, name now. Exits 0 where it was delivered, ${EXIT.failed} where it was not.

Example:
  $ millrace webhooks replay talk-1 9f2c41d07be35a8846e1f0b3a7d5c268`,
    )
    .action(async (job: string, id: string, { json }: { json?: true }) => {
      const session = openSession('webhooks');
      requireVariables(session.config, ['MILLRACE_WEBHOOK_SECRET']);
      const signal = stopSignal();
      const { plan } = await planJob(createPlanner(session.config), job, signal);
      const attempt = await replayWebhook(openTeller(session), plan, id, signal);
      if (json) session.terminal.print(JSON.stringify(attempt, null, 2));
      else session.terminal.print(`attempt ${attempt.attempt}: ${describe(attempt, session.terminal)}`);
      if (attempt.outcome !== 'delivered') process.exitCode = EXIT.failed;
    });
}

function addSecret(command: Command): void {
  command
    .command('secret')
    .description("Print what checks the signatures of a job's own webhooks: for the receiver that its webhooks.json names.")
    .argument('<job>', 'the job id', jobArgument)
    .addHelpText(
      'after',
      `
It is made from MILLRACE_WEBHOOK_SECRET and the job's id, and checks the webhooks of this job alone. One a line, where there are two.

Example:
  $ millrace webhooks secret talk-1`,
    )
    .action((job: string) => {
      const { config, terminal } = openSession('webhooks');
      const { MILLRACE_WEBHOOK_SECRET: secrets } = requireVariables(config, ['MILLRACE_WEBHOOK_SECRET']);
      for (const secret of secrets) terminal.print(writeWebhookSecret(secretOfJob(readWebhookSecret(secret), job)));
    });
}

function openTeller({ config, log }: Session): WebhookTeller {
  const { store, layout, now } = createPlanner(config);
  const webhooks = webhookSettings(config);
  return { store, layout, now, log, consumerId: createProcessId(), ...(webhooks === undefined ? {} : { webhooks }) };
}

const toldDocument = ({ last, attempts }: ToldWebhook) => ({ ...last, attempts });

function printTold(job: string, told: readonly ToldWebhook[], terminal: Terminal): void {
  if (told.length === 0) terminal.note(`${job}: no webhook was sent`);
  const rows = told.map(({ last, attempts }) => {
    const { stage, event, state } = last.event;
    return [
      last.id,
      stage === undefined ? event : `${event} ${stage}`,
      state,
      last.sent_at,
      attempts === 1 ? '1 attempt' : `${attempts} attempts`,
      describe(last, terminal),
    ];
  });
  for (const line of formatTable(rows)) terminal.print(line);
}

function describe(attempt: WebhookAttempt, { style }: Pick<Terminal, 'style'>): string {
  const { outcome, origin, status_code: status, error, retry_at: retryAt, duration_ms: durationMs } = attempt;
  if (outcome === 'delivered') return `${style('green', outcome)} to ${origin}: ${status} in ${durationMs} ms`;
  const what = style(outcome === 'failed' && retryAt !== undefined ? 'yellow' : 'red', outcome);
  const then = retryAt === undefined ? '' : `, again at ${retryAt}`;
  return `${what} at ${origin}: ${error?.message ?? 'no reason is known'} (${error?.code ?? 'INTERNAL'})${then}`;
}
