import type { Command } from 'commander';
import { MillraceError } from '../../errors.ts';
import { planJob } from '../../pipeline/job-plan.ts';
import { reconcile } from '../../pipeline/reconcile.ts';
import { type RetrySelection, retriesIn, whyNoRetry, writeRetries } from '../../pipeline/retry.ts';
import { createReconciler } from '../deployment.ts';
import { itemNumbers } from '../item-numbers.ts';
import { jobArgument } from '../job-argument.ts';
import { requireJob } from '../require-job.ts';
import { openSession, stopSignal } from '../session.ts';

interface RetryOptions {
  readonly stage?: string;
  readonly item?: ReadonlySet<number>;
}

export function addRetry(program: Command): void {
  program
    .command('retry')
    .description('Try again what has failed for good, and make again what was made and is gone. What is done stays as it is.')
    .argument('<job>', 'the job id', jobArgument)
    .option('--stage <name>', 'this stage only')
    .option('--item <numbers>', 'these items only, such as 57 or 0-4,7', itemNumbers)
    .addHelpText(
      'after',
      `
Failures so far are forgotten: each item has all its attempts again. Items that wait to be tried again are tried now.

Examples:
  $ millrace retry talk-1
  $ millrace retry talk-1 --stage segmentation --item 57`,
    )
    .action(async (job: string, { stage, item: items }: RetryOptions) => {
      const { config, log, terminal } = openSession('retry');
      const reconciler = createReconciler(config, log);
      const signal = stopSignal();
      await requireJob(reconciler, job);
      const { plan } = await planJob(reconciler, job, signal);
      const selection: RetrySelection = { ...(stage === undefined ? {} : { stage }), ...(items === undefined ? {} : { items }) };
      const refusal = whyNoRetry(plan, selection);
      if (refusal !== undefined) {
        const { message } = refusal;
        throw new MillraceError('USAGE', message, { fix: refusal.fix });
      }
      const attempts = retriesIn(plan, selection);
      for (const { stage: name, item, attempt } of attempts) terminal.print(`retry  ${name}/${item}  after attempt ${attempt}`);
      if (attempts.length === 0) {
        terminal.print(
          `nothing ${stage === undefined && items === undefined ? `of ${job}` : `that was chosen of ${job}`} has failed or is gone`,
        );
        return;
      }
      await writeRetries(reconciler, job, attempts, Date.now());
      const { dispatched } = await reconcile(reconciler, job, signal);
      terminal.print(`${dispatched} dispatched; the rest follows as slots and inputs allow`);
    });
}
