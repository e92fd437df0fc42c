/** What every command that works with a deployment begins with: its settings, its logger, its terminal, its signals. */
import { resolve } from 'node:path';
import { type Config, readConfig, VARIABLES } from '../config.ts';
import { MillraceError } from '../errors.ts';
import { createLogger, type Logger } from '../log.ts';
import { chooseEnvironment, isSet } from './local-environment.ts';
import { createTerminal, type Terminal } from './terminal.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Session {
  readonly config: Config;
  readonly env: Environment;
  readonly log: Logger;
  readonly terminal: Terminal;
}

/** For commands that work with a deployment, or else with the running `millrace dev`. Throws CONFIG_INVALID. */
export function openSession(name: string): Session {
  const terminal = createTerminal(process.stdout, process.stderr);
  const { env, local } = chooseEnvironment(process.env, dataDir(process.env));
  if (local !== undefined) terminal.note(`using the running millrace dev (${local})`);
  else if (!DEPLOYMENT_VARIABLES.some((variable) => isSet(env[variable]))) throw nothingToWorkWith(dataDir(process.env));
  return { ...sessionOf(name, env), terminal };
}

/** Without any of these the defaults alone would send a command to a bucket that is nobody's. */
const DEPLOYMENT_VARIABLES = ['VIDEOS_BUCKET', 'S3_ENDPOINT_URL', 'HMAC_KEY', 'AWS_ACCESS_KEY_ID'] as const;

function nothingToWorkWith(folder: string): MillraceError {
  const message = `No \`millrace dev\` is running here (its data would be in ${resolve(folder)}), and the environment names no deployment.`;
  return new MillraceError('CONFIG_INVALID', message, {
    fix: `Start \`millrace dev\` (in the same folder, or with the same MILLRACE_DATA), or set ${DEPLOYMENT_VARIABLES.join(', ')}, …; the README has a table.`,
  });
}

/** For commands that take the environment as it is. Throws CONFIG_INVALID. */
export function openOwnSession(name: string): Session {
  return { ...sessionOf(name, process.env), terminal: createTerminal(process.stdout, process.stderr) };
}

function sessionOf(name: string, env: Environment) {
  const config = readConfig(env);
  return { config, env, log: createLogger({ level: config.MILLRACE_LOG_LEVEL, name }) };
}

export function dataDir(env: Environment): string {
  const given = env.MILLRACE_DATA?.trim() ?? '';
  return given === '' ? VARIABLES.MILLRACE_DATA.default : given;
}

/** Aborted at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143);
      controller.abort(name);
    });
  }
  return controller.signal;
}

/** Resolves when the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
