import type { Command } from 'commander';
import { asMillraceError, MillraceError } from '../../errors.ts';
import { jobsChangedSince } from '../../pipeline/audit.ts';
import { inParallel } from '../../pipeline/parallel.ts';
import { reconcile } from '../../pipeline/reconcile.ts';
import { createReconciler } from '../deployment.ts';
import { EXIT } from '../exit-codes.ts';
import { jobArgument } from '../job-argument.ts';
import { openSession, stopSignal } from '../session.ts';
import { sinceArgument } from '../since-argument.ts';

interface ReconcileOptions {
  readonly all?: true;
  readonly since?: number;
}

export function addReconcile(program: Command): void {
  program
    .command('reconcile')
    .description('Look at jobs again and dispatch what is missing, without any event: the way out when events were lost.')
    .argument('[jobs...]', 'job ids', (text: string, before: readonly string[] = []) => [...before, jobArgument(text)])
    .option('--all', 'every job in the bucket')
    .option(
      '--since <time>',
      'with --all: jobs with an object that was written since, such as 2h, 3d or 2026-01-31',
      sinceArgument,
    )
    .addHelpText(
      'after',
      `
Reads the bucket itself, and asks no queue. Doing it twice is harmless: what is up to date is not dispatched.

Examples:
  $ millrace reconcile talk-1 talk-2
  $ millrace reconcile --all --since 2h`,
    )
    .action(async (named: readonly string[], { all, since }: ReconcileOptions) => {
      refuseContradictions(named, all, since);
      const { config, log, terminal } = openSession('reconcile');
      const reconciler = createReconciler(config, log);
      const signal = stopSignal();
      const jobs = all ? await jobsChangedSince(reconciler, since ?? 0, signal) : named;
      let failed = 0;
      let total = 0;
      await inParallel(config.MILLRACE_CONCURRENCY, jobs, async (job) => {
        signal.throwIfAborted();
        try {
          const { dispatched, cancelled, problems, plan } = await reconcile(reconciler, job, signal);
          total += dispatched;
          const known = plan.problems.length - problems;
          const parts = [
            `${dispatched} dispatched`,
            ...(cancelled > 0 ? [`${cancelled} cancelled`] : []),
            ...(problems > 0 ? [`${problems} ${problems === 1 ? 'problem' : 'problems'} written`] : []),
            ...(known > 0 ? [`${known} ${known === 1 ? 'problem' : 'problems'} known`] : []),
            ...(plan.stopped === null ? [] : [plan.stopped]),
          ];
          terminal.print(`${job}  ${parts.join(', ')}`);
        } catch (thrown) {
          signal.throwIfAborted();
          failed += 1;
          const error = asMillraceError(thrown);
          terminal.print(`${job}  ${terminal.style('red', 'not reconciled')}: ${error.message} (${error.code})`);
        }
      });
      if (jobs.length !== 1) terminal.print(`${jobs.length} jobs looked at, ${total} items dispatched, ${failed} not reconciled`);
      if (failed > 0) process.exitCode = EXIT.unavailable;
    });
}

function refuseContradictions(named: readonly string[], all: true | undefined, since: number | undefined): void {
  if (all === true && named.length > 0) throw new MillraceError('USAGE', 'give either job ids or --all, not both');
  if (all !== true && named.length === 0) throw new MillraceError('USAGE', 'name the jobs, or give --all');
  if (all !== true && since !== undefined) throw new MillraceError('USAGE', '--since goes with --all');
}
