/** The command line as people run it: a process of its own, with nothing in its environment that a test did not put there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** The first line of stdout. Rejects, with what stderr said, where the command ends before it. */
  readonly firstLine: Promise<string>;
  /** Resolves with the first line of stderr that holds `text`; rejects where the command ends before it. */
  stderrLine(text: string): Promise<string>;
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Ended>;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
}

const MAIN = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));

export function startMillrace(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const cwd = options.cwd ?? tmpdir();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const stdout = lines(child, 'stdout');
  const stderr = lines(child, 'stderr');
  const ended = once(child, 'close').then(() => ({
    code: child.exitCode,
    signal: child.signalCode,
    stdout: stdout.text(),
    stderr: stderr.text(),
  }));
  const orEnd = (line: Promise<string>): Promise<string> =>
    Promise.race([
      line,
      ended.then(({ code, signal, stderr: said }) => {
        throw new Error(`millrace ${args.join(' ')} ended (${code ?? signal}) first:\n${said}`);
      }),
    ]);
  const firstLine = orEnd(stdout.lineWith(''));
  // Nobody has to ask for it.
  firstLine.catch(() => {});
  return {
    pid: child.pid ?? 0,
    ended,
    firstLine,
    stderrLine: (text) => orEnd(stderr.lineWith(text)),
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

/** Runs one command to its end. */
export async function millrace(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  return startMillrace(args, options).ended;
}

function lines(child: ChildProcess, name: 'stdout' | 'stderr') {
  let text = '';
  const waiting = new Set<() => void>();
  child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    for (const look of waiting) look();
  });
  return {
    text: () => text,
    lineWith: (part: string) =>
      new Promise<string>((resolve) => {
        const look = () => {
          const whole = text.split('\n').slice(0, -1);
          const line = whole.find((each) => each.includes(part));
          if (line === undefined) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
        look();
      }),
  };
}
