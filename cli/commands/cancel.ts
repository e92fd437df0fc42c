import type { Command } from 'commander';
import { liftCancel, writeCancel } from '../../pipeline/cancel-job.ts';
import { reconcile } from '../../pipeline/reconcile.ts';
import { createReconciler } from '../deployment.ts';
import { jobArgument } from '../job-argument.ts';
import { requireJob } from '../require-job.ts';
import { openSession, stopSignal } from '../session.ts';

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
      await requireJob(reconciler, job);
      const isNew = await writeCancel(reconciler, job, reason);
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
      await requireJob(reconciler, job);
      const wasCancelled = await liftCancel(reconciler, job);
      const { dispatched } = await reconcile(reconciler, job, stopSignal());
      terminal.print(`${wasCancelled ? 'resumed' : 'was not cancelled:'} ${job}; ${dispatched} dispatched`);
    });
}
