/** Encoding on the best rung there is, and on the CPU where that fails: a GPU that fails must not fail a video. */
import { type ErrorCode, MillraceError } from '../errors.ts';
import { chooseRung, type PictureTask } from './ffmpeg/choose-rung.ts';
import type { VideoStream } from './ffmpeg/probe.ts';
import type { ToolEnd } from './ffmpeg/run.ts';
import { RUNG_PARTS, type Rung } from './ffmpeg/rung.ts';
import type { TaskContext } from './task-context.ts';

type LadderContext = Pick<TaskContext, 'capabilities' | 'gpu' | 'signal' | 'log'>;

/** How the pictures were made, as answers show it. */
export interface RungReport {
  readonly rung: Rung | 'copy';
  readonly decoder: 'nvdec' | 'cpu' | 'none';
  readonly encoder: 'h264_nvenc' | 'libx264' | 'copy';
  readonly rung_reason: string;
  /** Why the GPU was given up for this task, although it had proven itself. */
  readonly gpu_error?: ErrorCode;
}

export interface Climbed<T> {
  readonly value: T;
  readonly report: RungReport;
}

export function reportOf(rung: Rung, reason: string): RungReport {
  const { decoder, encoder } = RUNG_PARTS[rung];
  return { rung, decoder, encoder, rung_reason: reason };
}

export function copyReport(reason: string): RungReport {
  return { rung: 'copy', decoder: 'none', encoder: 'copy', rung_reason: reason };
}

/**
 * What on a GPU's rung may be the GPU's doing. FFMPEG_FAILED and OUTPUT_INVALID among them: drivers fail in words that no table
 * knows, and also without any.
 */
const FALLS: ReadonlySet<ErrorCode> = new Set(['GPU_FAILED', 'GPU_OUT_OF_MEMORY', 'FFMPEG_FAILED', 'OUTPUT_INVALID']);

/** Calls `work` with the best rung, and once more with the CPU's where the GPU failed. Throws what `work` throws on its last rung. */
export async function onLadder<T>(
  task: PictureTask,
  sources: readonly VideoStream[],
  context: LadderContext,
  work: (rung: Rung) => Promise<T>,
): Promise<Climbed<T>> {
  const { rung, reason } = chooseRung(await context.capabilities(), task, sources);
  try {
    return { value: await work(rung), report: reportOf(rung, reason) };
  } catch (thrown) {
    if (rung === 'cpu' || context.signal.aborted || !(thrown instanceof MillraceError) || !FALLS.has(thrown.code)) throw thrown;
    context.log.warn({ error: thrown, rung }, 'the GPU failed; working on the CPU');
    const why = `not ${rung}: it was tried and failed with ${thrown.code} (${thrown.message})`;
    return { value: await work('cpu'), report: { ...reportOf('cpu', why), gpu_error: thrown.code } };
  }
}

/** Runs one process of a rung: in line for the GPU where it uses it. */
export function onRung(rung: Rung, context: LadderContext, run: () => Promise<ToolEnd>): Promise<ToolEnd> {
  return rung === 'cpu' ? run() : context.gpu.use(run, context);
}

/** `undefined` where a copy did not become what was asked for: headers promise what a file may not hold. */
export async function unlessUnfit<T>(copied: () => Promise<T>, { log }: Pick<LadderContext, 'log'>): Promise<T | undefined> {
  try {
    return await copied();
  } catch (thrown) {
    const unfit = thrown instanceof MillraceError && (thrown.code === 'OUTPUT_INVALID' || thrown.code === 'FFMPEG_FAILED');
    if (!unfit) throw thrown;
    log.info({ error: thrown }, 'the pictures could not be copied; encoding them');
    return undefined;
  }
}
