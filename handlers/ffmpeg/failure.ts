/**
 * What the end of an ffmpeg process means. Exit codes differ by version (5.1 always says 1; 7.1 maps errno; 255 is a SIGTERM and
 * also a missing GPU library), so stderr decides and the exit code helps only where it is unambiguous.
 */
import { type ErrorCode, MillraceError } from '../../errors.ts';
import type { ToolEnd } from './run.ts';

type Failure = Pick<ToolEnd, 'exitCode' | 'signal' | 'stderrTail' | 'notStarted' | 'timedOut'>;

interface Pattern {
  readonly code: ErrorCode;
  readonly pattern: RegExp;
}

/** In order of precedence: a full disk also breaks the muxer, a broken GPU also opens no encoder. */
const PATTERNS: readonly Pattern[] = [
  { code: 'DISK_FULL', pattern: /no space left on device|disk quota exceeded/i },
  {
    code: 'GPU_OUT_OF_MEMORY',
    pattern:
      /OpenEncodeSessionEx failed: out of memory|InitializeEncoder failed: out of memory|CUDA_ERROR_OUT_OF_MEMORY|encoder busy/i,
  },
  {
    code: 'GPU_FAILED',
    pattern:
      /OpenEncodeSessionEx failed|Cannot load lib(cuda|nvidia-encode|nvcuvid)|No capable devices found|required nvenc API version|nvenc.*(failed|error)|InitializeEncoder failed|CUDA_ERROR|cuInit|No NVENC capable|No device available for decoder|No decoder surfaces left/i,
  },
  {
    code: 'CODEC_UNSUPPORTED',
    pattern:
      /Decoder \(codec [^)]*\) not found|Unknown decoder|no decoder found|Could not find codec parameters.*unknown codec|Decoding requested, but no decoder/i,
  },
  {
    code: 'SOURCE_UNREACHABLE',
    pattern: /Connection (refused|reset|timed out)|Server returned (4\d\d|5\w\w)|HTTP error \d+|End of file.*http/i,
  },
  {
    code: 'INPUT_INVALID',
    pattern:
      /Invalid data found when processing input|moov atom not found|Format not on whitelist|not on whitelist|does not contain any stream|matches no streams|Picture size .* is invalid|exceed.*max_pixels|Unable to parse option value|EBML header parsing failed|could not find codec parameters|partial file|Error reading header|Could not create a libass track/i,
  },
];

/** 7.x answers with the low byte of its error number where the input or the disk is at fault. */
const EXIT_CODES: Readonly<Record<number, ErrorCode>> = { 183: 'INPUT_INVALID', 228: 'DISK_FULL' };

const OUT_OF_MEMORY_SIGNAL = 'SIGKILL';

/** The code for a process that did not end well, and a sentence that is safe to print. */
export function ffmpegFailure(ended: Failure): MillraceError {
  const end = { ...ended, stderrTail: withoutReports(ended.stderrTail) };
  const said = lastLine(end.stderrTail);
  const context = { stderr_tail: safeTail(end.stderrTail) };
  if (end.notStarted) return new MillraceError('FFMPEG_MISSING', 'ffmpeg could not be started.');
  if (end.timedOut) return new MillraceError('TIME_LIMIT', 'ffmpeg took longer than its time limit.');
  if (end.signal === OUT_OF_MEMORY_SIGNAL) {
    return new MillraceError('FFMPEG_FAILED', 'ffmpeg was killed, as the system does where memory runs out.', {
      retryable: true,
      context,
    });
  }
  const code = codeOf(end);
  if (code !== undefined) return new MillraceError(code, `ffmpeg: ${lineFor(code, end.stderrTail) ?? said}`, { context });
  const how = end.signal === undefined ? `ended with status ${end.exitCode}` : `was ended by ${end.signal}`;
  return new MillraceError('FFMPEG_FAILED', said === '' ? `ffmpeg ${how}.` : `ffmpeg ${how}: ${said}`, { context });
}

function codeOf(end: Failure): ErrorCode | undefined {
  const byText = PATTERNS.find(({ pattern }) => pattern.test(end.stderrTail));
  return byText?.code ?? (end.exitCode === undefined ? undefined : EXIT_CODES[end.exitCode]);
}

function lineFor(code: ErrorCode, tail: string): string | undefined {
  const patterns = PATTERNS.filter((entry) => entry.code === code);
  const line = tail.split(/[\r\n]+/).find((text) => patterns.some(({ pattern }) => pattern.test(text)));
  return line === undefined ? undefined : safeLine(line);
}

function lastLine(tail: string): string {
  const lines = tail.split(/[\r\n]+/).filter((line) => line.trim() !== '' && line.trim() !== 'Conversion failed!');
  return safeLine(lines.at(-1) ?? '');
}

const MAX_TAIL_LINES = 20;
const MAX_TAIL_CHARACTERS = 2000;

/** The end of stderr as results may show it: the last lines, each made safe. */
export function safeTail(stderrTail: string): string {
  const lines = stderrTail.split(/[\r\n]+/).map(safeLine);
  const last = lines.filter((line) => line !== '').slice(-MAX_TAIL_LINES);
  return last.join('\n').slice(-MAX_TAIL_CHARACTERS);
}

/**
 * What ffmpeg reports where it runs at `-loglevel info`: the description of the files, whose titles may say anything, and a filter's
 * measurements. No error is among it.
 */
const REPORT = /^(\s|Input #\d|Output #\d|Stream mapping:|size=|video:\d|\[Parsed_astats_)/;

function withoutReports(stderrTail: string): string {
  const lines = stderrTail.split(/[\r\n]+/);
  return lines.filter((line) => !REPORT.test(line)).join('\n');
}

const MAX_LINE_CHARACTERS = 300;

/** One line of stderr without URLs, absolute paths, pointers and control characters. */
export function safeLine(line: string): string {
  return line
    .replaceAll(/\b[a-z][a-z0-9+.-]*:\/\/[^\s'"]*[^\s'":]/gi, 'the input')
    .replaceAll(/(^|[\s'"=(])\/[^\s'":]+\/([^\s'"/:]+)/g, '$1$2')
    .replaceAll(/ @ 0x[0-9a-f]+/gi, '')
    .replaceAll(/[^\P{Cc}\t]/gu, '')
    .trim()
    .slice(0, MAX_LINE_CHARACTERS);
}

/** True where stderr says that an input ended before its time, although the process may have ended with status 0. */
export function saysTruncated(stderrTail: string): boolean {
  return /partial file|truncat|Stream ends prematurely|stream .* offset .*: partial/i.test(stderrTail);
}
