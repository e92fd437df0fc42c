/** `millrace …`: reads the arguments, runs one command, and turns what it throws into one line and an exit code. */
import { Command, CommanderError } from 'commander';
import { asMillraceError, type MillraceError } from '../errors.ts';
import { addConsume } from './commands/consume.ts';
import { addDemo } from './commands/demo.ts';
import { addDev } from './commands/dev.ts';
import { addPlan } from './commands/plan.ts';
import { addStatus } from './commands/status.ts';
import { addSubmit } from './commands/submit.ts';
import { addValidate } from './commands/validate.ts';
import { addWorker } from './commands/worker.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { readVersion } from './version.ts';

const program = new Command('millrace')
  .description('Turns a bucket into a media pipeline on RunPod Serverless GPU workers.')
  .version(readVersion())
  .showHelpAfterError('(add --help for what it takes)')
  .exitOverride();

for (const add of [addDev, addDemo, addSubmit, addStatus, addPlan, addValidate, addConsume, addWorker]) add(program);

program.addHelpText(
  'after',
  `
Examples:
  $ millrace dev                                     everything on this machine
  $ millrace submit talk-1 talk.m4a segments.json    write files into a job
  $ millrace status talk-1 --watch                   see it happen

Exit codes: ${Object.entries(EXIT)
    .map(([name, code]) => `${code} ${name}`)
    .join(', ')}.
Without S3_ENDPOINT_URL and VIDEOS_BUCKET, commands work with the running \`millrace dev\`.`,
);

try {
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = thrown instanceof CommanderError ? usage(thrown) : report(asMillraceError(thrown));
}

/** Commander has printed its own message already. */
function usage({ exitCode }: CommanderError): number {
  return exitCode === 0 ? EXIT.ok : EXIT.usage;
}

function report(error: MillraceError): number {
  process.stderr.write(`millrace: ${error.message} (${error.code})\n`);
  if (error.fix !== undefined) process.stderr.write(`  ${error.fix}\n`);
  if (error.code === 'INTERNAL' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
  return exitCodeOf(error);
}
