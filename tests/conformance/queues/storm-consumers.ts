/** The consumers of a storm, each a child process: whoever is killed is started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { StormTask } from './storm-task.ts';

export interface StormConsumers {
  /** How often one was killed, and started again. */
  kills(): number;
  /** Why one ended that nobody had told to; undefined while none did. */
  failure(): string | undefined;
  /** SIGTERM to all; resolves with how each has ended: its exit status or its signal. */
  stop(): Promise<(number | string | null)[]>;
  /** SIGKILL to all that are left. */
  kill(): Promise<void>;
}

const PROGRAM = join(import.meta.dirname, 'storm-process.ts');
/** Longer than a consumer's own bounds of stopping. */
const STOP_TIMEOUT_MS = 20_000;

export function startConsumers(count: number, task: StormTask): StormConsumers {
  /** With what resolves once they can be told to stop, or have ended. */
  const children = new Map<ChildProcess, Promise<unknown>>();
  let kills = 0;
  let failure: string | undefined;
  let isStopping = false;

  function start(): void {
    const log = openSync(join(task.folder, 'consumers.log'), 'a');
    const args = ['--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(task)];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', log] });
    closeSync(log);
    children.set(child, Promise.race([once(child.stdout ?? child, 'data'), once(child, 'exit')]));
    child.once('exit', (status, signal) => {
      if (isStopping) return;
      children.delete(child);
      if (signal === 'SIGKILL') {
        kills += 1;
        start();
      } else {
        failure ??= `a consumer ended with ${status ?? signal}`;
      }
    });
  }

  for (let index = 0; index < count; index += 1) start();
  const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;

  async function end(signal: NodeJS.Signals): Promise<(number | string | null)[]> {
    isStopping = true;
    return await Promise.all(
      [...children].map(async ([child, ready]) => {
        const ended = hasEnded(child) ? undefined : once(child, 'exit');
        // One that was only just started would die of it instead of stopping.
        if (signal === 'SIGTERM') await ready;
        child.kill(signal);
        const limit = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
        await ended;
        clearTimeout(limit);
        return child.exitCode ?? child.signalCode;
      }),
    );
  }

  return {
    kills: () => kills,
    failure: () => failure,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  };
}
