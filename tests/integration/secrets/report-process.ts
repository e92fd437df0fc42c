/**
 * `node report-process.ts FOLDER [--whole]`: looks in what a recorded test run printed, answered and wrote for the secrets that it used. Prints one
 * line of counts, and one for each finding; exits 1 where there is any, and where a whole run seems
 * to have printed or used nothing: then the recorder was not there.
 */
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createSearcher, type Finding, type Recorded } from './records.ts';

const MAX_SHOWN_FINDINGS = 20;

/**
 * `millrace dev`, and the parts that tests start as processes of their own, say on stdout what they are, with the keys that they made for
 * themselves: that is what they are for.
 */
const READY_LINES: readonly (readonly [source: RegExp, text: string])[] = [
  [/\/cli\/main\.ts dev$/, '{"bucket":'],
  [/\/chaos\/bucket-and-queue-process\.ts /, '{"VIDEOS_BUCKET":'],
  [/\/chaos\/endpoint-process\.ts /, '{"runUrl":'],
];

function isReadyLine({ kind, source, text }: Recorded): boolean {
  return kind === 'stdout' && READY_LINES.some(([from, start]) => from.test(source) && text.startsWith(start));
}

type Line = { readonly secret: string } | Recorded;

const [folder = '.', whole] = process.argv.slice(2);
const files = readdirSync(folder).map((name) => join(folder, name));

const secrets = new Set<string>();
// Twice through the files: a process may print what only a later one was seen to use.
for await (const line of lines()) if ('secret' in line) secrets.add(line.secret);
const { search } = createSearcher(secrets);
let searched = 0;
const findings: Finding[] = [];
for await (const line of lines()) {
  if ('secret' in line) continue;
  searched++;
  if (!isReadyLine(line)) findings.push(...search(line));
}

const count = (value: number) => value.toLocaleString('en');
print(
  `secrets: ${count(searched)} lines of ${count(files.length)} processes searched for ${count(secrets.size)} secrets, ${count(findings.length)} found`,
);
for (const { what, kind, source, about, line } of findings.slice(0, MAX_SHOWN_FINDINGS)) {
  print(`  ${what}, in ${kind} of ${source}${about === '' ? '' : ` (${about})`}: ${line}`);
}
if (findings.length > MAX_SHOWN_FINDINGS) print(`  and ${count(findings.length - MAX_SHOWN_FINDINGS)} more`);
const isEmpty = whole === '--whole' && (searched === 0 || secrets.size === 0);
process.exitCode = findings.length === 0 && !isEmpty ? 0 : 1;

async function* lines(): AsyncGenerator<Line> {
  for (const file of files) {
    for await (const text of createInterface({ input: createReadStream(file) })) {
      const line = parsed(text);
      if (line !== undefined) yield line;
    }
  }
}

/** A process that was killed may leave half a line. */
function parsed(text: string): Line | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
