/** Which parts of a video task the GPU does: a ladder, best rung first. */
import type { FramePlace, VideoEncoder } from './arguments/video-encoder.ts';

export const RUNGS = ['gpu', 'gpu-encode', 'gpu-decode', 'cpu'] as const;
export type Rung = (typeof RUNGS)[number];

export interface RungParts {
  readonly decoder: 'nvdec' | 'cpu';
  readonly filters: FramePlace;
  readonly encoder: VideoEncoder;
}

export const RUNG_PARTS: Readonly<Record<Rung, RungParts>> = {
  gpu: { decoder: 'nvdec', filters: 'gpu', encoder: 'h264_nvenc' },
  'gpu-encode': { decoder: 'cpu', filters: 'cpu', encoder: 'h264_nvenc' },
  // A100 and H100 decode, but have no encoder.
  'gpu-decode': { decoder: 'nvdec', filters: 'cpu', encoder: 'libx264' },
  cpu: { decoder: 'cpu', filters: 'cpu', encoder: 'libx264' },
};
