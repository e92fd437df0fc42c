import type { Command } from 'commander';
import { asMillraceError, MillraceError } from '../../errors.ts';
import { createLogger } from '../../log.ts';
import { isRunpodWorker } from '../../runpod/worker.ts';
import { type NamedFinding, runChecks } from '../doctor/check.ts';
import { checksOf } from '../doctor/checks.ts';
import { type Examination, examine, type Place } from '../doctor/examination.ts';
import { skipped, wrong } from '../doctor/finding.ts';
import { EXIT } from '../exit-codes.ts';
import { chooseEnvironment, isSet } from '../local-environment.ts';
import { dataDir, stopSignal } from '../session.ts';
import { createTerminal, type Terminal } from '../terminal.ts';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'Looks at everything that is configured, for real, and says of each thing whether it is right and what mends it.',
    )
    .option('--worker', 'look at this machine as a worker: ffmpeg, GPU, disk, and nothing of the deployment')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Changes nothing: what it writes into the bucket lies under the state prefix, in proofs/, and is deleted again; it receives no
message, starts no run, and calls no webhook. Exits with 1 where something is wrong.

Examples:
  $ millrace doctor
  $ millrace doctor --json
  $ millrace doctor --worker`,
    )
    .action(async ({ worker, json }: { worker?: true; json?: true }) => {
      const terminal = createTerminal(process.stdout, process.stderr);
      const { env, local } = chooseEnvironment(process.env, dataDir(process.env));
      const isWorker = worker === true || isRunpodWorker(env);
      const place: Place = isWorker ? 'worker' : local === undefined ? 'deployment' : 'dev';
      if (local !== undefined && !isWorker) terminal.note(`using the running millrace dev (${local})`);
      const stop = stopSignal();
      const findings = await findingsOf(env, place, stop);
      if (stop.aborted) {
        process.exitCode = EXIT_STOPPED;
        return;
      }
      const isRight = findings.every(({ outcome }) => outcome !== 'wrong');
      if (json) terminal.print(JSON.stringify({ ok: isRight, checks: findings.map(shown) }, null, 2));
      else print(findings, terminal);
      process.exitCode = isRight ? EXIT.ok : EXIT.failed;
    });
}

/** What shells know an interrupted command by. */
const EXIT_STOPPED = 130;

type Environment = Readonly<Record<string, string | undefined>>;

async function findingsOf(env: Environment, place: Place, stop: AbortSignal): Promise<readonly NamedFinding[]> {
  const checks = checksOf(place);
  let examination: Examination;
  try {
    if (place === 'deployment' && !isSet(env.VIDEOS_BUCKET) && !isSet(env.S3_ENDPOINT_URL)) throw nothingConfigured();
    examination = examine(env, place, { log: createLogger({ level: 'fatal', name: 'doctor' }) });
  } catch (thrown) {
    const { message, fix } = asMillraceError(thrown);
    const [first, ...others] = checks;
    const lines = message.split('\n').map((line) => line.trim());
    const wrongs = lines.length > 1 ? lines.slice(1) : lines;
    return [
      ...wrongs.map((found) => ({ ...wrong(found, fix ?? 'Correct it.'), check: first?.name ?? '' })),
      ...others.map(({ name }) => ({ ...skipped('nothing can be said of it before the environment is right'), check: name })),
    ];
  }
  return runChecks(checks, examination, { stop });
}

function nothingConfigured(): MillraceError {
  return new MillraceError('CONFIG_INVALID', 'no `millrace dev` runs here, and the environment names no bucket', {
    fix: 'Start `millrace dev` in this folder, or set VIDEOS_BUCKET and the other variables of the deployment: the README has a table.',
  });
}

function shown(finding: NamedFinding): object {
  const { check, outcome, found } = finding;
  return { check, outcome, found, ...('fix' in finding ? { fix: finding.fix } : {}) };
}

const STYLES = { ok: 'green', wrong: 'red', skipped: 'dim' } as const;
const OUTCOME_WIDTH = 'skipped'.length;

function print(findings: readonly NamedFinding[], { print: line, style }: Terminal): void {
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const finding of findings) {
    const { check, outcome, found } = finding;
    line(`${style(STYLES[outcome], outcome.padEnd(OUTCOME_WIDTH))}  ${check.padEnd(width)}  ${found}`);
    if ('fix' in finding && finding.fix !== undefined) line(`${' '.repeat(OUTCOME_WIDTH + width + 4)}${finding.fix}`);
  }
  const count = (outcome: NamedFinding['outcome']) => findings.filter((finding) => finding.outcome === outcome).length;
  line('');
  line(`${count('ok')} ok, ${count('wrong')} wrong, ${count('skipped')} skipped`);
}
