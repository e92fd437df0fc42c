import type { Command } from 'commander';
import type { Cancel } from '../../manifests/cancel.ts';
import { reconcile } from '../../pipeline/reconcile.ts';
import { createReconciler } from '../deployment.ts';
import { jobArgument } from '../job-argument.ts';
import { requireJob } from '../require-job.ts';
import { openSession, stopSignal } from '../session.ts';

const CANCEL_KEY = 'cancel.json';

export function addCancel(program: Command): void {
  program
    .command('cancel')
    .description('Stop a job: its runs are cancelled, and nothing more of it is dispatched. What is done stays.')
    .argument('<job>', 'the job id', jobArgument)
    .option('--reason <text>', 'why, for whoever reads cancel.json later')
    .addHelpText('after', '\nExamples:\n  $ millrace cancel talk-1 --reason "wrong master"')
    .action(async (job: string, { reason }: { reason?: string }) => {
      const { config, log, terminal } = openSession('cancel');
      const reconciler = createReconciler(config, log);
      const { store, layout } = reconciler;
      // A mistyped id would make a folder, and a later job of that name would begin cancelled.
      await requireJob(reconciler, job);
      const body: Cancel = reason === undefined ? {} : { reason };
      // Whoever cancelled first said why.
      const isNew = await store.createIfAbsent(layout.jobKey(job, CANCEL_KEY), `${JSON.stringify(body, null, 2)}\n`, {
        contentType: 'application/json',
      });
      const { cancelled } = await reconcile(reconciler, job, stopSignal());
      terminal.print(`${isNew ? 'cancelled' : 'was cancelled already:'} ${job}; ${cancelled} running items stopped`);
    });
}

export function addResume(program: Command): void {
  program
    .command('resume')
    .description('Lift a cancel: deletes cancel.json, and the job goes on with what is not done.')
    .argument('<job>', 'the job id', jobArgument)
    .addHelpText('after', '\nExamples:\n  $ millrace resume talk-1')
    .action(async (job: string) => {
      const { config, log, terminal } = openSession('resume');
      const reconciler = createReconciler(config, log);
      const { store, layout } = reconciler;
      await requireJob(reconciler, job);
      const wasCancelled = (await store.head(layout.jobKey(job, CANCEL_KEY))) !== null;
      await store.delete(layout.jobKey(job, CANCEL_KEY));
      const { dispatched } = await reconcile(reconciler, job, stopSignal());
      terminal.print(`${wasCancelled ? 'resumed' : 'was not cancelled:'} ${job}; ${dispatched} dispatched`);
    });
}
