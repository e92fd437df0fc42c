/** Google's Pub/Sub emulator as a child process on loopback. It keeps everything in memory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { findEmulator } from './program.ts';

export interface PubsubEmulatorOptions {
  readonly port: number;
  readonly log: Logger;
  /** Folders in which the program and gcloud are looked for. */
  readonly searchPath?: string;
}

export interface PubsubEmulator {
  /** `127.0.0.1:<port>`, as Google's clients want it. */
  readonly host: string;
  readonly version: string;
  /** Resolves when the emulator has ended, whoever ended it. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** A cold Java takes seconds on a busy machine. */
const START_TIMEOUT_MS = 60_000;
const PROBE_INTERVAL_MS = 50;
const PROBE_TIMEOUT_MS = 2_000;
const STOP_TIMEOUT_MS = 5_000;
const TAIL_CHARACTERS = 2_000;

/**
 * Runs the program, and ends it when its own input ends: that is when this process is gone, even where it was killed and could not
 * say so.
 */
const LEASH = `
exec 3<&0
"$0" "$@" 3<&- </dev/null &
program=$!
{ read -r _ <&3; kill -KILL $program; } >/dev/null 2>&1 &
leash=$!
exec 3<&-
wait $program
code=$?
kill $leash >/dev/null 2>&1
exit $code
`;

/**
 * Resolves once the emulator answers. Throws EMULATOR_MISSING where it is not installed, CONFIG_INVALID for a port that is taken, INTERNAL
 * with the end of its output where it does not start, such as without Java.
 */
export async function startPubsubEmulator(options: PubsubEmulatorOptions): Promise<PubsubEmulator> {
  const { port, log, searchPath = process.env.PATH ?? '' } = options;
  const program = await findEmulator(searchPath);
  if (program === undefined) {
    throw new MillraceError('EMULATOR_MISSING', "Google's Pub/Sub emulator is not installed on this machine.", {
      fix: 'Install it with `gcloud components install pubsub-emulator` (or the package google-cloud-cli-pubsub-emulator), and a Java runtime.',
    });
  }
  await requireFreePort(port);
  // A group of its own: Ctrl-C is for us, who still need the emulator to give messages back; and all of it can be ended at once.
  const args = ['-c', LEASH, program.path, '--host=127.0.0.1', `--port=${port}`];
  const child = spawn('/bin/sh', args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  let tail = '';
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-TAIL_CHARACTERS);
    });
  }
  const ended = Promise.withResolvers<void>();
  child.once('error', () => ended.resolve());
  child.once('exit', () => ended.resolve());
  const killAll = () => signalGroup(child, 'SIGKILL');
  process.on('exit', killAll);
  void ended.promise.then(() => process.off('exit', killAll));
  const stop = async () => {
    // It holds nothing that is worth a shutdown, and Java may take its time over one, with the shell that we hear of long gone.
    killAll();
    await ended.promise;
    const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
    while (signalGroup(child, 0) && performance.now() < deadlineMs) await sleep(PROBE_INTERVAL_MS);
  };

  const host = `127.0.0.1:${port}`;
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (isRunning(child) && performance.now() < deadlineMs) {
    // Ended, yet answered: somebody else has the port.
    if ((await answers(host)) && isRunning(child)) {
      log.info({ host, version: program.version }, "Google's Pub/Sub emulator answers");
      return { host, version: program.version, ended: ended.promise, stop };
    }
    await Promise.race([sleep(PROBE_INTERVAL_MS), ended.promise]);
  }
  await stop();
  throw new MillraceError('INTERNAL', `Google's Pub/Sub emulator did not start on port ${port}: ${lastLines(tail)}`, {
    fix: 'See whether `java -version` works.',
  });
}

/** The emulator itself would go on without its port, silent. */
async function requireFreePort(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (thrown) {
    throw new MillraceError('CONFIG_INVALID', `Port ${port} of this machine cannot be used for the Pub/Sub emulator.`, {
      cause: thrown,
      fix: 'End what listens there, or choose another port.',
    });
  }
  server.close();
  await once(server, 'close');
}

const isRunning = (child: ChildProcess): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null;

/** False where nothing of the group is left. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

async function answers(host: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${host}/`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    return (await response.text()).trim() === 'Ok';
  } catch {
    return false;
  }
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-3).join(' ') || 'it said nothing';
