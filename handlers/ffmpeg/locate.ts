/** Finds ffmpeg and ffprobe: the ones that the settings name, else the system's, else the ones carried by npm packages. */
import { basename, dirname, join, resolve } from 'node:path';
import { MillraceError } from '../../errors.ts';
import { runTool } from './run.ts';
import { runnable } from './runnable.ts';

export interface LocateOptions {
  readonly ffmpegPath?: string;
  readonly ffprobePath?: string;
}

export type ToolOrigin = 'setting' | 'system' | 'embedded';

export interface Tools {
  readonly ffmpeg: string;
  readonly ffprobe: string;
  /** Where ffmpeg was found; ffprobe may come from elsewhere. */
  readonly origin: ToolOrigin;
  /** ffmpeg's, as it prints it: `5.1.9-0+deb12u1`, `N-47683-g0e8eb07980-static`. */
  readonly version: string;
}

const VERSION_TIME_LIMIT_MS = 20_000;
const HOW_TO_INSTALL =
  'Install ffmpeg (apt-get install ffmpeg, brew install ffmpeg), or run npm install with optional dependencies, or set FFMPEG_PATH and FFPROBE_PATH.';

/** The tools to work with. Throws FFMPEG_MISSING where there are none, or where the settings name some that do not run. */
export async function locate(options: LocateOptions = {}): Promise<Tools> {
  if (options.ffmpegPath !== undefined) {
    const tools = await fromSettings(options.ffmpegPath, options.ffprobePath);
    if (tools !== undefined) return tools;
    throw missing('The ffmpeg or ffprobe that the settings name does not run.');
  }
  const tools = (await systemTools(options.ffprobePath)) ?? (await embeddedTools(options.ffprobePath));
  if (tools === undefined) throw missing('No ffmpeg and ffprobe were found that run on this machine.');
  return tools;
}

/** Every pair that runs on this machine, each once: what a test suite goes through. */
export async function locateAll(options: LocateOptions = {}): Promise<readonly Tools[]> {
  const found = await Promise.all([
    options.ffmpegPath === undefined ? undefined : fromSettings(options.ffmpegPath, options.ffprobePath),
    systemTools(),
    embeddedTools(),
  ]);
  return found.filter((tools) => tools !== undefined);
}

async function fromSettings(ffmpegPath: string, ffprobePath: string | undefined): Promise<Tools | undefined> {
  const probes =
    ffprobePath === undefined ? [join(dirname(ffmpegPath), 'ffprobe'), 'ffprobe', await embeddedFfprobe()] : [ffprobePath];
  return toolsOf('setting', [ffmpegPath], probes);
}

async function systemTools(ffprobePath?: string): Promise<Tools | undefined> {
  return toolsOf('system', ['ffmpeg'], ffprobePath === undefined ? ['ffprobe', await embeddedFfprobe()] : [ffprobePath]);
}

async function embeddedTools(ffprobePath?: string): Promise<Tools | undefined> {
  return toolsOf('embedded', [await embeddedFfmpeg()], [ffprobePath ?? (await embeddedFfprobe())]);
}

type Candidates = readonly (string | undefined)[];

async function toolsOf(origin: ToolOrigin, ffmpegs: Candidates, ffprobes: Candidates): Promise<Tools | undefined> {
  const [ffmpeg, ffprobe] = await Promise.all([firstThatRuns(ffmpegs, 'ffmpeg'), firstThatRuns(ffprobes, 'ffprobe')]);
  if (ffmpeg === undefined || ffprobe === undefined) return undefined;
  return { ffmpeg: ffmpeg.path, ffprobe: ffprobe.path, origin, version: ffmpeg.version };
}

async function firstThatRuns(paths: Candidates, program: string): Promise<{ path: string; version: string } | undefined> {
  for (const path of paths) {
    const version = path === undefined ? undefined : await versionOf(path, program);
    // Tasks run it from their own folders: a relative path that the settings name must mean the same there.
    if (path !== undefined && version !== undefined) return { path: basename(path) === path ? path : resolve(path), version };
  }
  return undefined;
}

/** What `-version` prints in its first line; `undefined` where the file does not run or is another program. */
async function versionOf(path: string, program: string): Promise<string | undefined> {
  let text = '';
  const end = await runTool({
    file: path,
    args: ['-version'],
    signal: new AbortController().signal,
    timeLimitMs: VERSION_TIME_LIMIT_MS,
    onStdout: (chunk) => {
      text += text.length < 1000 ? chunk.toString('utf8') : '';
    },
  });
  const [, name, version] = /^(\w+) version (\S+)/.exec(text) ?? [];
  return end.exitCode === 0 && name === program ? version : undefined;
}

async function embeddedFfmpeg(): Promise<string | undefined> {
  return carried(async () => (await import('@ffmpeg-installer/ffmpeg')).default.path);
}

async function embeddedFfprobe(): Promise<string | undefined> {
  return carried(async () => (await import('@ffprobe-installer/ffprobe')).default.path);
}

/** These packages throw at import where they have no binary for this platform, or it was not installed. */
async function carried(pathOf: () => Promise<string>): Promise<string | undefined> {
  try {
    return await runnable(await pathOf());
  } catch {
    return undefined;
  }
}

function missing(message: string): MillraceError {
  return new MillraceError('FFMPEG_MISSING', `${message} ${HOW_TO_INSTALL}`);
}
