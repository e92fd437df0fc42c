/**
 * The rung of a task: the first whose needs are all met. Why the higher ones were not taken goes into the answer, because a machine
 * with a GPU that quietly works on its CPU costs money until somebody looks.
 */
import { isHdr } from './arguments/color.ts';
import { isSize, type PictureSize, steadyRate } from './arguments/picture-path.ts';
import type { Capabilities } from './capabilities.ts';
import type { VideoStream } from './probe.ts';
import { RUNG_PARTS, RUNGS, type Rung, type RungParts } from './rung.ts';

export interface PictureTask {
  /** Of the output. */
  readonly size: PictureSize;
  /** Why the pictures must pass filters that only the CPU has. */
  readonly cpuFilters?: string;
}

export interface RungChoice {
  readonly rung: Rung;
  /** Why not a higher one. */
  readonly reason: string;
}

/** `sources`: every stream of pictures that the task decodes. */
export function chooseRung(capabilities: Capabilities, task: PictureTask, sources: readonly VideoStream[]): RungChoice {
  const obstacles: { readonly rungs: Rung[]; readonly why: string }[] = [];
  for (const rung of RUNGS) {
    const why = rung === 'cpu' ? undefined : obstacle(RUNG_PARTS[rung], capabilities, task, sources);
    if (why === undefined) return { rung, reason: sentence(obstacles) };
    const last = obstacles.at(-1);
    if (last?.why === why) last.rungs.push(rung);
    else obstacles.push({ rungs: [rung], why });
  }
  return { rung: 'cpu', reason: sentence(obstacles) };
}

function sentence(obstacles: readonly { readonly rungs: readonly Rung[]; readonly why: string }[]): string {
  if (obstacles.length === 0) return 'everything runs on the GPU';
  return obstacles.map(({ rungs, why }) => `not ${rungs.join(', ')}: ${why}`).join('; ');
}

function obstacle(
  parts: RungParts,
  { h264Nvenc, nvdec, scaleCuda }: Capabilities,
  task: PictureTask,
  sources: readonly VideoStream[],
): string | undefined {
  if (sources.length === 0) return 'there are no pictures';
  if (parts.encoder === 'h264_nvenc') {
    if (!h264Nvenc.available) return h264Nvenc.reason;
    if (!nvencTakes(task.size)) return `NVENC makes no H.264 of ${task.size.width}x${task.size.height}`;
  }
  if (parts.decoder === 'nvdec') {
    if (!nvdec.available) return nvdec.reason;
    const other = sources.find((source) => !nvdecTakes(source));
    if (other !== undefined) return `NVDEC is not used for ${other.codec} of ${other.pixelFormat ?? 'unknown pixels'}`;
  }
  if (parts.filters === 'cpu') return undefined;
  if (task.cpuFilters !== undefined) return task.cpuFilters;
  const cpuWork = sources.map(needsCpuFilters).find((why) => why !== undefined);
  if (cpuWork !== undefined) return cpuWork;
  const scales = sources.some((source) => !isSize(source, task.size));
  return scales && !scaleCuda.available ? scaleCuda.reason : undefined;
}

/** NVIDIA's limits for H.264, the narrowest of the generations that RunPod lends. */
const NVENC_SMALLEST = { width: 146, height: 50 };
const NVENC_LARGEST_SIDE = 4096;

function nvencTakes({ width, height }: PictureSize): boolean {
  return width >= NVENC_SMALLEST.width && height >= NVENC_SMALLEST.height && Math.max(width, height) <= NVENC_LARGEST_SIDE;
}

/** What every NVDEC since Pascal decodes. AV1 needs a newer one than some of those that RunPod lends. */
const NVDEC_PIXELS: Readonly<Record<string, readonly string[]>> = {
  h264: ['yuv420p', 'yuvj420p'],
  hevc: ['yuv420p', 'yuvj420p', 'yuv420p10le'],
  vp9: ['yuv420p'],
};

function nvdecTakes({ codec, pixelFormat }: VideoStream): boolean {
  return NVDEC_PIXELS[codec]?.includes(pixelFormat ?? '') === true;
}

/** Everything here has a filter on the CPU that is right in all versions; the GPU's are few and differ. */
function needsCpuFilters(video: VideoStream): string | undefined {
  const { coding, pixelFormat } = video;
  if (coding.turned) return 'the pictures are turned by metadata, which the CPU undoes';
  if (!coding.progressive) return 'the pictures are interlaced, which the CPU undoes';
  if (isHdr(video)) return 'HDR pictures become SDR ones on the CPU';
  if (pixelFormat !== 'yuv420p') return `${pixelFormat ?? 'unknown'} pixels become 8-bit yuv420p on the CPU`;
  if (coding.fullRange) return 'full-range colours become limited ones on the CPU';
  if (!coding.squarePixels) return 'the pixels are not square, which the CPU puts right';
  if (steadyRate(video) !== undefined) return 'the pictures come at an uneven pace, which the CPU evens out';
  return undefined;
}
