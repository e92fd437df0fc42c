/** What becomes of HDR pictures: SDR ones, where this ffmpeg has the filters for it. */
import { isHdr } from './ffmpeg/arguments/color.ts';
import type { VideoStream } from './ffmpeg/probe.ts';
import type { TaskContext } from './task-context.ts';

export interface HdrPlan {
  readonly toneMaps: boolean;
  /** For the answer; empty where no source is HDR. */
  readonly report: { readonly hdr?: string };
}

/** Without the filters the pictures keep their values and their tags, and the answer says so. */
export async function planHdr(
  sources: readonly VideoStream[],
  { capabilities, log }: Pick<TaskContext, 'capabilities' | 'log'>,
): Promise<HdrPlan> {
  if (!sources.some(isHdr)) return { toneMaps: false, report: {} };
  const { toneMapping } = await capabilities();
  if (toneMapping.available) return { toneMaps: true, report: { hdr: 'tone-mapped to SDR' } };
  log.warn({ reason: toneMapping.reason }, 'HDR pictures cannot be tone-mapped; they stay as they are');
  return { toneMaps: false, report: { hdr: `not tone-mapped: ${toneMapping.reason}` } };
}
