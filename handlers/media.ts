/** ffmpeg and ffprobe on the inputs and files of one task. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { MillraceError } from '../errors.ts';
import { type Span, type Trace, untraced } from '../trace.ts';
import type { MediaLocation } from './ffmpeg/arguments/input.ts';
import { ffmpegFailure } from './ffmpeg/failure.ts';
import type { Tools } from './ffmpeg/locate.ts';
import { type MediaInfo, probe } from './ffmpeg/probe.ts';
import type { FfmpegProgress } from './ffmpeg/progress.ts';
import { progressReader, runTool, type ToolEnd } from './ffmpeg/run.ts';
import type { Gateway, Lease, Ranges, Reading } from './inputs/gateway.ts';
import type { OpenInput } from './inputs/open-input.ts';
import { both } from './pool.ts';

export type MediaData = OpenInput['data'];

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** For arguments with `-progress pipe:1`. */
  readonly onProgress?: (progress: FfmpegProgress) => void;
  /** For arguments that write data to stdout. */
  readonly onStdout?: (chunk: Buffer) => void | Promise<void>;
}

export interface ProbeOptions {
  /** ffmpeg's names of the containers that may be looked into; those of media unless given. */
  readonly formats?: string;
  /** `whole` where the task reads all of it afterwards: what is fetched ahead is then held for that. In parts unless told. */
  readonly reading?: Reading;
}

/** Where an input is; read in parts unless told. */
export type At = (data: MediaData, reading?: Reading) => MediaLocation;

export interface Media {
  /**
   * Throws INPUT_INVALID, CODEC_UNSUPPORTED, or what went wrong upstream. Of data that are yet to come ffprobe is started at once and waits for
   * them: it may take longer to start than to look. Throws what they are rejected with.
   */
  probe(data: MediaData | Promise<MediaData>, options?: ProbeOptions): Promise<MediaInfo>;
  /**
   * Runs ffmpeg with the arguments that `build` makes; `at` tells where an input is while this run lasts. What went wrong upstream
   * wins over ffmpeg's own error, and over its success: it takes a broken connection for the end of the input.
   */
  run(build: (at: At) => readonly string[], options?: RunOptions): Promise<ToolEnd>;
}

export interface MediaOptions {
  readonly tools: Tools;
  readonly gateway: Gateway;
  readonly signal: AbortSignal;
  readonly trace?: Trace;
}

export function createMedia({ tools, gateway, signal, trace = untraced }: MediaOptions): Media {
  async function withLeases<T>(work: (at: AtAny) => Promise<T>): Promise<T> {
    const leases: Lease[] = [];
    const lend = (ranges: Ranges | Promise<Ranges>, reading: Reading) => {
      const lease = gateway.lease(ranges, reading);
      leases.push(lease);
      return { url: lease.url };
    };
    const at: AtAny = (data, reading = 'parts') => {
      if (data instanceof Promise) return lend(data.then(rangesOf), reading);
      return 'file' in data ? { file: data.file } : lend(unlessEmpty(data.reader), reading);
    };
    const upstream = () => leases.map((lease) => lease.failure()).find((failure) => failure !== undefined);
    try {
      const value = await work(at);
      const failure = upstream();
      if (failure !== undefined) throw failure;
      return value;
    } catch (thrown) {
      throw upstream() ?? thrown;
    } finally {
      for (const lease of leases) lease.close();
    }
  }

  return {
    async probe(data, { reading, ...formats } = {}) {
      const look = (at: MediaData | Promise<MediaData>) => {
        const ready = at instanceof Promise ? at : undefined;
        return withLeases(async (locate) => probe(locate(at, reading), { ffprobe: tools.ffprobe, signal, ready, ...formats }));
      };
      if (!(data instanceof Promise)) return trace.span('ffprobe', {}, () => look(data));
      let isThere = false;
      const looking = look(data).catch(async (thrown: unknown) => {
        // What befell a process that only waited says nothing of what it waited for: a long encode is not to be lost by that.
        if (isThere || signal.aborted) throw thrown;
        return look(await data);
      });
      const arriving = data.then(() => {
        isThere = true;
        return trace.span('ffprobe', {}, () => looking);
      });
      const [info] = await both(arriving, looking);
      return info;
    },
    run(build, { onProgress, onStdout, ...options } = {}) {
      const work = (span: Span) =>
        withLeases(async (at) => {
          const reader = onProgress === undefined ? onStdout : progressReader(onProgress);
          const command = { file: tools.ffmpeg, args: build(at), signal, ...options };
          const end = await runTool(reader === undefined ? command : { ...command, onStdout: reader });
          span.set({ 'process.exit.code': end.exitCode });
          if (end.exitCode !== 0) throw ffmpegFailure(end);
          return end;
        });
      return trace.span('ffmpeg', {}, work);
    },
  };
}

type AtAny = (data: MediaData | Promise<MediaData>, reading?: Reading) => MediaLocation;

async function rangesOf(data: MediaData): Promise<Ranges> {
  if ('reader' in data) return unlessEmpty(data.reader);
  const { file } = data;
  // A program may end well and have written nothing.
  const { size: totalBytes } = await stat(file).catch(() => ({ size: 0 }));
  return unlessEmpty({ totalBytes, read: (start, end) => createReadStream(file, { start, end }) }, 'The file');
}

/** ffmpeg would call it a server's error: no range of it can be served. */
function unlessEmpty(ranges: Ranges, what = 'An input'): Ranges {
  if (ranges.totalBytes === 0) throw new MillraceError('INPUT_INVALID', `${what} is empty.`);
  return ranges;
}
