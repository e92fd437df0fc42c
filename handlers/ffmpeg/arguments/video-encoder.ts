/** How video is encoded: one quality scale for both encoders. */

export const VIDEO_ENCODERS = ['libx264', 'h264_nvenc'] as const;
export type VideoEncoder = (typeof VIDEO_ENCODERS)[number];

/** x264's scale, 0 (lossless) to 51; NVENC's `cq` looks about the same at the same number. */
export const DEFAULT_CRF = 20;
const GOP_FRAMES = 60;

export function videoEncoderArguments(encoder: VideoEncoder, crf: number = DEFAULT_CRF): string[] {
  const pixels = ['-pix_fmt', 'yuv420p'];
  switch (encoder) {
    case 'libx264':
      return ['-c:v', 'libx264', '-preset', 'medium', '-profile:v', 'high', '-crf', String(crf), ...pixels];
    case 'h264_nvenc':
      // `cq` 0 would mean "choose one yourself".
      return [
        ...[
          '-c:v',
          'h264_nvenc',
          '-preset',
          'p5',
          '-tune',
          'hq',
          '-profile:v',
          'high',
          '-rc',
          'vbr',
          '-cq',
          String(Math.max(1, crf)),
        ],
        ...['-b:v', '0', '-spatial-aq', '1', '-rc-lookahead', '20', '-bf', '3', '-g', String(GOP_FRAMES), ...pixels],
      ];
  }
}

/** One short encode of a black picture: what is listed proves nothing, what encodes does. */
export function encoderProofArguments(encoder: VideoEncoder): string[] {
  return [
    ...['-nostdin', '-hide_banner', '-nostats', '-loglevel', 'warning'],
    ...['-f', 'lavfi', '-i', 'color=black:s=256x256:r=30:d=0.2', ...videoEncoderArguments(encoder), '-f', 'null', '-'],
  ];
}
