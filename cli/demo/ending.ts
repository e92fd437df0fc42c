/** What the demo says last. */
import { asMillraceError } from '../../errors.ts';
import type { StackDescription } from '../local-stack.ts';
import type { Terminal } from '../terminal.ts';
import type { LogFile } from './log-file.ts';

type Styled = Pick<Terminal, 'style'>;

const LOG_LINES_SHOWN = 12;
const MISSING_LINES_SHOWN = 20;

/** `reason` is a sentence, or what was thrown. */
export function failureLines(
  reason: unknown,
  missing: readonly string[],
  logFile: Pick<LogFile, 'path' | 'tail'>,
  { style }: Styled,
): string[] {
  const error = typeof reason === 'string' ? undefined : asMillraceError(reason);
  const sentence = error === undefined ? String(reason) : `${error.message} (${error.code})`;
  const left = missing.length - MISSING_LINES_SHOWN;
  return [
    '',
    style(['bold', 'red'], sentence),
    ...(missing.length === 0 ? [] : ['Still missing:', ...missing.slice(0, MISSING_LINES_SHOWN).map((line) => `  ${line}`)]),
    ...(left > 0 ? [`  … and ${left} more`] : []),
    `The end of ${logFile.path}:`,
    ...logFile.tail(LOG_LINES_SHOWN).map((line) => `  ${style('dim', line)}`),
  ];
}

export function nextLines(outputFile: string, { style }: Styled): string[] {
  return [
    '',
    `See it:      ${outputFile}`,
    `Your files:  ${style('bold', 'npx millrace dev')} starts the same for you, and says how to write a job.`,
    'Your cloud:  docs/quick-start.md says which pages set up your own bucket, queue and RunPod endpoint.',
  ];
}

/** With `--keep`. `folder` is what MILLRACE_DATA must name for other commands to find the demo. */
export function keptLines({ bucket, runpod, api }: StackDescription, folder: string): string[] {
  const command = (text: string) => `  MILLRACE_DATA=${shellWord(folder)} npx millrace ${text}`;
  return [
    '',
    'Everything goes on running:',
    `  bucket  ${bucket.endpoint}  s3://${bucket.name}`,
    `  RunPod  ${runpod.url}`,
    `  API     ${api.url}  open it in a browser; the token ${api.token} signs you in`,
    'From another terminal:',
    command('status demo-talk'),
    command('submit my-job my-talk.m4a segments.json'),
    'Ctrl-C stops it.',
  ];
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
