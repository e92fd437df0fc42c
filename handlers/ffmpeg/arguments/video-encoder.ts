/** How video is encoded: one quality scale for both encoders. */

export const VIDEO_ENCODERS = ['libx264', 'h264_nvenc'] as const;
export type VideoEncoder = (typeof VIDEO_ENCODERS)[number];

/** `gpu`: the pictures never left the GPU, and asking for a pixel format would send them through a CPU filter. */
export type FramePlace = 'cpu' | 'gpu';

/** x264's scale, 0 (lossless) to 51; NVENC's `cq` looks about the same at the same number. */
export const DEFAULT_CRF = 20;
const GOP_FRAMES = 60;

export function videoEncoderArguments(encoder: VideoEncoder, crf: number = DEFAULT_CRF, frames: FramePlace = 'cpu'): string[] {
  const pixels = frames === 'cpu' ? ['-pix_fmt', 'yuv420p'] : [];
  switch (encoder) {
    case 'libx264':
      return ['-c:v', 'libx264', '-preset', 'medium', '-profile:v', 'high', '-crf', String(crf), ...pixels];
    case 'h264_nvenc':
      return [
        ...['-c:v', 'h264_nvenc', '-preset', 'p5', '-tune', 'hq', '-profile:v', 'high', '-rc', 'vbr'],
        // `cq` 0 would mean "choose one yourself".
        ...['-cq', String(Math.max(1, crf)), '-b:v', '0', '-spatial-aq', '1', '-rc-lookahead', '20', '-bf', '3'],
        ...['-g', String(GOP_FRAMES), ...pixels],
      ];
  }
}
