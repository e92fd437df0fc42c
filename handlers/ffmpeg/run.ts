/**
 * The one place that starts ffmpeg and ffprobe. How a process ended is a value here; what that means is in failure.ts.
 * An ExecaError never leaves this file: its message and stack carry the whole argument list.
 */
import { execa } from 'execa';
import { MillraceError } from '../../errors.ts';
import { afterProgressLine, type FfmpegProgress, NO_PROGRESS } from './progress.ts';

export interface ToolRun {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Aborted with a MillraceError as its reason where that says why (a time limit); otherwise it means CANCELLED. */
  readonly signal: AbortSignal;
  readonly timeLimitMs?: number;
  /** Takes stdout a chunk at a time; the process waits for it. What it throws ends the process and is thrown again. */
  readonly onStdout?: (chunk: Buffer) => void | Promise<void>;
}

export interface ToolEnd {
  readonly exitCode: number | undefined;
  /** The signal that ended the process. */
  readonly signal: string | undefined;
  /** The end of stderr, at most `MAX_STDERR_BYTES`. It names inputs: see `safeLine` before printing it. */
  readonly stderrTail: string;
  /** The program could not be started at all. */
  readonly notStarted: boolean;
  readonly timedOut: boolean;
}

const MAX_STDERR_BYTES = 16 * 1024;
/** SIGTERM first, so that ffmpeg closes its files; then SIGKILL. */
const FORCE_KILL_AFTER_MS = 5000;

/**
 * What a child inherits. Not the rest: our environment holds keys, which a hostile media file must not reach, and `http_proxy`
 * would send ffmpeg's requests to the gateway on loopback out of the machine.
 */
const INHERITED = /^(PATH|HOME|LANG|LC_.*|TZ|TMPDIR|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*)$/;

/** Runs a program to its end. Throws only where `signal` was aborted or `onStdout` threw. */
export async function runTool(run: ToolRun): Promise<ToolEnd> {
  if (run.signal.aborted) throw stopReason(run.signal);
  const child = execa(run.file, [...run.args], {
    buffer: false,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    reject: false,
    extendEnv: false,
    env: { ...inheritedEnvironment(), AV_LOG_FORCE_NOCOLOR: '1', ...run.env },
    cancelSignal: run.signal,
    timeout: run.timeLimitMs ?? 0,
    forceKillAfterDelay: FORCE_KILL_AFTER_MS,
    killDescendants: true,
    ...(run.cwd === undefined ? {} : { cwd: run.cwd }),
  });
  let tail = Buffer.alloc(0);
  child.stderr.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-MAX_STDERR_BYTES);
  });
  let consumerError: unknown;
  const consumed = consume(child.stdout, run.onStdout).catch((thrown: unknown) => {
    consumerError = thrown;
    child.kill();
  });
  const [result] = await Promise.all([child, consumed]);
  if (run.signal.aborted) throw stopReason(run.signal);
  // A stream cut short by the end of its process is told by how the process ended.
  if (consumerError !== undefined && !isPrematureClose(consumerError)) throw consumerError;
  return {
    exitCode: result.exitCode,
    signal: result.signal,
    stderrTail: tail.toString('utf8'),
    notStarted: result.exitCode === undefined && result.signal === undefined,
    timedOut: result.timedOut,
  };
}

async function consume(stdout: AsyncIterable<Buffer>, onStdout: ToolRun['onStdout']): Promise<void> {
  for await (const chunk of stdout) await onStdout?.(chunk);
}

function isPrematureClose(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function inheritedEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => INHERITED.test(name));
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** Why work stops: the signal's own MillraceError, or CANCELLED. */
export function stopReason(signal: AbortSignal): MillraceError {
  return signal.reason instanceof MillraceError
    ? signal.reason
    : new MillraceError('CANCELLED', 'The work was stopped before its end.');
}

/** An `onStdout` for `-progress pipe:1`: calls `onProgress` once per block of lines. */
export function progressReader(onProgress: (progress: FfmpegProgress) => void): (chunk: Buffer) => void {
  let rest = '';
  let progress = NO_PROGRESS;
  return (chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = (lines.pop() ?? '').slice(-MAX_LINE_CHARACTERS);
    for (const line of lines) {
      progress = afterProgressLine(progress, line);
      if (line.startsWith('progress=')) onProgress(progress);
    }
  };
}

const MAX_LINE_CHARACTERS = 1000;
