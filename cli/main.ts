/** `millrace …`: reads the arguments, runs one command, and turns what it throws into one line and an exit code. */
import { Command, CommanderError } from 'commander';
import { asMillraceError, type MillraceError } from '../errors.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { readVersion } from './version.ts';

/** In the order of the help. Each brings its own parts along, and a worker that starts cold must not load those of the others. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  dev: async () => (await import('./commands/dev.ts')).addDev,
  demo: async () => (await import('./commands/demo.ts')).addDemo,
  submit: async () => (await import('./commands/submit.ts')).addSubmit,
  status: async () => (await import('./commands/status.ts')).addStatus,
  explain: async () => (await import('./commands/explain.ts')).addExplain,
  plan: async () => (await import('./commands/plan.ts')).addPlan,
  retry: async () => (await import('./commands/retry.ts')).addRetry,
  cancel: async () => (await import('./commands/cancel.ts')).addCancel,
  resume: async () => (await import('./commands/cancel.ts')).addResume,
  reconcile: async () => (await import('./commands/reconcile.ts')).addReconcile,
  validate: async () => (await import('./commands/validate.ts')).addValidate,
  webhooks: async () => (await import('./commands/webhooks.ts')).addWebhooks,
  'dead-letters': async () => (await import('./commands/dead-letters.ts')).addDeadLetters,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  decode: async () => (await import('./commands/decode.ts')).addDecode,
  consume: async () => (await import('./commands/consume.ts')).addConsume,
  api: async () => (await import('./commands/api.ts')).addApi,
  worker: async () => (await import('./commands/worker.ts')).addWorker,
};

const program = new Command('millrace')
  .description('Turns a bucket into a media pipeline on RunPod Serverless GPU workers.')
  .version(readVersion())
  .showHelpAfterError('(add --help for what it takes)')
  .exitOverride();

const VERSION_FLAGS: readonly string[] = ['-V', '--version'];

/** Whatever is no command's name is answered with all of them: help, a suggestion. */
function commandsFor(asked: string): readonly string[] {
  if (VERSION_FLAGS.includes(asked)) return [];
  return Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS);
}

for (const add of await Promise.all(commandsFor(process.argv[2] ?? '').map((name) => COMMANDS[name]?.()))) add?.(program);

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
