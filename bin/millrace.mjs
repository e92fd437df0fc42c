#!/usr/bin/env node
/** `millrace …`: sets up what is missing, then hands over to cli/main.ts on Node 24. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root } from './setup.mjs';

const child = spawn(
  ensureInstalled(),
  ['--disable-warning=ExperimentalWarning', join(root, 'cli', 'main.ts'), ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
// A terminal sends Ctrl-C to the whole group; a supervisor's SIGTERM comes here only.
process.on('SIGTERM', () => child.kill('SIGTERM'));
process.on('SIGINT', () => {});
child.on('exit', (code, signal) => {
  if (signal !== null) process.kill(process.pid, signal === 'SIGINT' ? 'SIGTERM' : signal);
  process.exitCode = code ?? 1;
});
