/** ffmpeg and ffprobe on the inputs and files of one task. */
import { MillraceError } from '../errors.ts';
import { type Span, type Trace, untraced } from '../trace.ts';
import type { MediaLocation } from './ffmpeg/arguments/input.ts';
import { ffmpegFailure } from './ffmpeg/failure.ts';
import type { Tools } from './ffmpeg/locate.ts';
import { type MediaInfo, probe } from './ffmpeg/probe.ts';
import type { FfmpegProgress } from './ffmpeg/progress.ts';
import { progressReader, runTool, type ToolEnd } from './ffmpeg/run.ts';
import type { Gateway, Lease, Reading } from './inputs/gateway.ts';
import type { OpenInput } from './inputs/open-input.ts';

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
  /** Throws INPUT_INVALID, CODEC_UNSUPPORTED, or what went wrong upstream. */
  probe(data: MediaData, options?: ProbeOptions): Promise<MediaInfo>;
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
  async function withLeases<T>(work: (at: At) => Promise<T>): Promise<T> {
    const leases: Lease[] = [];
    const at: At = (data, reading = 'parts') => {
      if ('file' in data) return { file: data.file };
      // ffmpeg would call it a server's error: no range of it can be served.
      if (data.reader.totalBytes === 0) throw new MillraceError('INPUT_INVALID', 'An input is empty.');
      const lease = gateway.lease(data.reader, reading);
      leases.push(lease);
      return { url: lease.url };
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
    probe(data, { reading, ...formats } = {}) {
      const options = { ffprobe: tools.ffprobe, signal, ...formats };
      return trace.span('ffprobe', {}, () => withLeases(async (at) => probe(at(data, reading), options)));
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
