/** moto's server (S3, SQS and the notifications between them), as a child process on loopback. Any credentials pass. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { recordPeer, recordPeerMissing } from './peers.ts';

export interface Moto {
  /** `http://127.0.0.1:<port>`, for every service. */
  readonly endpoint: string;
  /** Resolves once the process has ended. */
  stop(): Promise<void>;
}

/** A cold start of the Python interpreter with moto takes seconds on a busy machine. */
const START_TIMEOUT_MS = 60_000;
const PROBE_INTERVAL_MS = 100;
/** Between choosing a free port and binding it somebody else may take it. */
const START_ATTEMPTS = 3;
const STOP_TIMEOUT_MS = 5_000;
const STDERR_TAIL_CHARACTERS = 2_000;

/** Starts a fresh, empty moto; null, with one loud line on stderr, where moto_server is not installed. */
export async function startMoto(): Promise<Moto | null> {
  let why = '';
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    const started = await tryStart();
    if (started.kind === 'running') {
      recordPeer('moto', await motoVersion());
      return started.moto;
    }
    if (started.kind === 'missing') {
      recordPeerMissing('moto_server', 'is not installed (pip install "moto[server]"): checks against moto are skipped');
      return null;
    }
    why = started.why;
  }
  // Installed but broken is a failure to look at, not an absence to skip over.
  throw new Error(`moto_server did not start: ${why}`);
}

type Start =
  | { readonly kind: 'running'; readonly moto: Moto }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly why: string };

async function tryStart(): Promise<Start> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let ended: 'missing' | 'ended' | undefined;
  let stderrTail = '';
  child.on('error', () => {
    ended = 'missing';
  });
  child.on('exit', (code) => {
    // 127: a version manager's shim is on the PATH, but no Python behind it has moto.
    ended ??= code === 127 ? 'missing' : 'ended';
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderrTail = (stderrTail + text).slice(-STDERR_TAIL_CHARACTERS);
  });
  const killWithParent = () => child.kill('SIGKILL');
  process.on('exit', killWithParent);
  const stop = async () => {
    await kill(child);
    process.off('exit', killWithParent);
  };

  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (ended === undefined && Date.now() < deadlineMs) {
    // Ended, yet answered: another moto has taken the port, and is not ours to use.
    if ((await answers(endpoint)) && ended === undefined) return { kind: 'running', moto: { endpoint, stop } };
    await sleep(PROBE_INTERVAL_MS);
  }
  await stop();
  return ended === 'missing' ? { kind: 'missing' } : { kind: 'failed', why: stderrTail };
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    // moto's own route: it tells moto from whatever else may listen there.
    const response = await fetch(`${endpoint}/moto-api/data.json`, { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** moto_server cannot say its version; the Python that is found first usually can. */
async function motoVersion(): Promise<string> {
  try {
    const print = 'import importlib.metadata as m; print(m.version("moto"))';
    const { stdout } = await promisify(execFile)('python3', ['-c', print], { timeout: START_TIMEOUT_MS });
    return stdout.trim();
  } catch {
    return '(version unknown)';
  }
}
