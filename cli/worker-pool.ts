/** Worker processes for the local endpoint: the very program that runs in the container, each in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../log.ts';

export interface WorkerPoolOptions {
  readonly workers: number;
  /** The environment of one worker; nothing of this process's own is passed on but PATH, HOME and TMPDIR. */
  readonly environment: (workerId: string) => Readonly<Record<string, string>>;
  readonly log: Logger;
  /** Where the workers' log lines go; this process's stderr unless given. */
  readonly onLogLine?: (line: string) => void;
}

export interface WorkerPool {
  /** Lets running tasks finish, for a while. */
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'SYSTEMROOT', 'NODE_EXTRA_CA_CERTS', 'NODE_COMPILE_CACHE'] as const;
const FIRST_RESTART_MS = 1_000;
const LONGEST_RESTART_MS = 30_000;
/** A worker that ran as long as this was no crash at start. */
const HEALTHY_MS = 60_000;
/** Then it is killed. */
const STOP_GRACE_MS = 20_000;
const ID_BYTES = 4;

export function startWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { workers, log } = options;
  const children = new Map<string, ChildProcess>();
  const restarts = new Set<NodeJS.Timeout>();
  let isStopping = false;

  function start(number: number, restartMs: number): void {
    const startedAtMs = Date.now();
    // A name of its own for each process: under its predecessor's it would be told to stop the very job that was put back for it.
    const workerId = `local-${number}-${randomBytes(ID_BYTES).toString('hex')}`;
    const inherited = Object.fromEntries(
      PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    );
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, 'worker'], {
      env: { ...inherited, ...options.environment(workerId) },
      // The channel carries nothing: it closes when this process is gone, however it went, and the worker ends with it.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // A Ctrl-C in the terminal must not reach the workers: they are stopped in order.
      detached: true,
    });
    children.set(workerId, child);
    forwardLines(child, options.onLogLine ?? ((line) => process.stderr.write(`${line}\n`)));
    child.on('error', (error) => log.error({ workerId, error }, 'a worker could not be started'));
    child.on('exit', (code, signal) => {
      children.delete(workerId);
      if (isStopping) return;
      const nextMs = Date.now() - startedAtMs > HEALTHY_MS ? FIRST_RESTART_MS : Math.min(LONGEST_RESTART_MS, restartMs * 2);
      log.error({ workerId, code, signal, restartMs }, 'a worker ended; it is started again');
      const timer = setTimeout(() => {
        restarts.delete(timer);
        start(number, nextMs);
      }, restartMs);
      restarts.add(timer);
    });
  }

  for (let number = 1; number <= workers; number += 1) start(number, FIRST_RESTART_MS);

  return {
    async stop() {
      isStopping = true;
      for (const timer of restarts) clearTimeout(timer);
      await Promise.all([...children.values()].map(stopChild));
    },
  };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
  await exited;
  clearTimeout(kill);
}

function forwardLines(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}
