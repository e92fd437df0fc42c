/**
 * What a fresh clone needs before anything else can run: its packages, Node 24 among them. Plain JavaScript without
 * imports from npm, because it runs before there are any, on whatever Node started npm.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * How `millrace` starts Node; infra/image/millrace has the same. What passes through a worker lies outside V8's heap, and by itself V8 lets a hundred
 * megabytes of it pile up, or collects its whole heap for every few: that costs more than passing them on. A small space for what is
 * thrown away at once, and a heap that may grow to 64 MB before the first collection, take less memory and less time
 * (`npm run bench -- downsampling trims planning`).
 */
export const nodeFlags = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=4',
  '--initial-heap-size=64',
  '--external-memory-accounted-in-global-limit',
];

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = join(root, 'node_modules');
/** Holds the lock file's hash as of the last complete install. */
const stamp = join(packages, '.millrace-installed');
/** Holds the process that installs: two at once would take each other's files away. Beside the packages, which npm empties first. */
const lock = join(root, '.installing');
const LOCK_POLL_MS = 200;
/** An install takes half a minute. */
const LONGEST_WAIT_MS = 600_000;

/** The path of Node 24, with everything that package-lock.json names installed. Exits where that cannot be had. */
export function ensureInstalled() {
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const isInstalled = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash;
  if (isInstalled()) return nodePath();
  takeLock();
  process.once('exit', () => rmSync(lock, { force: true }));
  if (!isInstalled()) {
    install();
    writeFileSync(stamp, lockHash);
  }
  rmSync(lock, { force: true });
  return nodePath();
}

/** Waits for another command of this clone that installs; one that was killed holds nothing. */
function takeLock() {
  for (let waitedMs = 0; waitedMs < LONGEST_WAIT_MS; waitedMs += LOCK_POLL_MS) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
    if (!isRunning(Number(readIfThere(lock)))) rmSync(lock, { force: true });
  }
  console.error(`Another command has been installing packages for ten minutes. If none is, delete ${lock}.`);
  process.exit(1);
}

function isRunning(pid) {
  try {
    // 0 is nobody: the file is there and has been empty for as long as was waited.
    if (pid === 0) return false;
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function install() {
  console.error('Installing packages (once; about half a minute)…');
  const npm = process.env.npm_execpath;
  const [command, prefix] =
    npm === undefined ? [process.platform === 'win32' ? 'npm.cmd' : 'npm', []] : [process.execPath, [npm]];
  const result = spawnSync(command, [...prefix, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: npm === undefined && process.platform === 'win32',
  });
  if (result.status === 0) return;
  console.error('The packages could not be installed: npm ci failed (see above). Check the network and try again.');
  process.exit(1);
}

/** The node that package.json pins; the one that runs this where the package has no build for this machine. */
function nodePath() {
  const pinned = join(packages, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(pinned)) return pinned;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  console.error(`Millrace needs Node 22.18 or later, and found ${process.versions.node}. Install Node 24.`);
  process.exit(1);
}
