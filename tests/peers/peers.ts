/**
 * Which servers that nobody here wrote took part in a test run. Where TEST_PEERS_FILE names a file, each start
 * (and each absence) is one line of it, so that a run can end by saying what it was really checked against.
 */
import { appendFileSync } from 'node:fs';

/** Appends `<name> <version>`. */
export function recordPeer(name: string, version: string): void {
  record(`${name} ${version}`);
}

/** Appends `PEER MISSING: <name> <why>`, and writes the same line to stderr, because a skipped check must be heard. */
export function recordPeerMissing(name: string, why: string): void {
  const line = `PEER MISSING: ${name} ${why}`;
  process.stderr.write(`${line}\n`);
  record(line);
}

function record(line: string): void {
  const file = process.env.TEST_PEERS_FILE;
  if (file === undefined || file === '') return;
  // One small append a line: several test processes write at once, and must not tear each other's lines.
  appendFileSync(file, `${line.replaceAll(/\s+/g, ' ').trim()}\n`);
}
