/**
 * `npm test`: installs what is missing, then runs the checks and every suite. Ends with the peers that ran and one line of
 * counts. Arguments go to vitest (`npm test -- tests/unit/pipeline`) and leave the checks out.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './setup.mjs';

const node = ensureInstalled();
const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
const report = join(folder, 'report.json');
const peers = join(folder, 'peers.txt');
const environment = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}`, TEST_PEERS_FILE: peers };
/** What the suites' processes print, answer and write, and the secrets that they use: see the folder's recorder-process.ts. */
const records = join(folder, 'records');
mkdirSync(records);
const secretsFolder = join('tests', 'integration', 'secrets');
const recorder = pathToFileURL(join(root, secretsFolder, 'recorder-process.ts'));
const recorded = {
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${recorder}`.trim(),
  TEST_RECORDS: records,
};
const vitestArguments = process.argv.slice(2);

/** The linter holds the arrows between folders, the compiler the types, knip what nobody uses. */
const CHECKS = [
  ['lint', 'node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
  ['types', 'node_modules/typescript/bin/tsc'],
  ['types of the dashboard', 'node_modules/typescript/bin/tsc', '-p', 'api/dashboard'],
  ['unused', 'node_modules/knip/bin/knip.js', '--no-config-hints'],
];

const failedChecks = (vitestArguments.length > 0 ? [] : CHECKS).filter(([name, ...command]) => {
  const { status } = run(command);
  console.log(`check ${name}: ${status === 0 ? 'passed' : 'FAILED'}`);
  return status !== 0;
});
const suites = run(
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...vitestArguments,
  ],
  recorded,
);
console.log('');
const secrets = run([join(secretsFolder, 'report-process.ts'), records, ...(vitestArguments.length > 0 ? [] : ['--whole'])]);

const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = readReport();
const failed =
  numFailedTests + failedChecks.length + (suites.status !== 0 && numFailedTests === 0 ? 1 : 0) + (secrets.status !== 0 ? 1 : 0);
const passed =
  numPassedTests + (vitestArguments.length > 0 ? 0 : CHECKS.length - failedChecks.length) + (secrets.status === 0 ? 1 : 0);
console.log(`\nPeers:\n${readPeers()}`);
console.log(`${passed} passed, ${failed} failed, ${numPendingTests + numTodoTests} skipped`);
rmSync(folder, { recursive: true, force: true });
process.exitCode = failed > 0 || suites.status !== 0 ? 1 : 0;

function run(command, more = {}) {
  return spawnSync(node, command, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...environment, ...more } });
}

function readReport() {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return {};
  }
}

/** What suites noted of the servers that nobody here wrote: those that ran, and those that are not installed. */
function readPeers() {
  try {
    return [...new Set(readFileSync(peers, 'utf8').trim().split('\n'))]
      .sort()
      .map((line) => `  ${line}`)
      .join('\n');
  } catch {
    return '  none';
  }
}
