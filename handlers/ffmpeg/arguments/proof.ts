/** What proves that a machine can do something: doing it, once and briefly, with the arguments that tasks use. */
import { GLOBAL_ARGUMENTS } from './input.ts';
import { gpuDecoding, gpuDownload, gpuScale } from './picture-path.ts';
import { toneMapFilters } from './tone-map.ts';
import { videoEncoderArguments } from './video-encoder.ts';

export const NVENC_ENCODERS = ['h264_nvenc', 'hevc_nvenc', 'av1_nvenc'] as const;
export type NvencEncoder = (typeof NVENC_ENCODERS)[number];

/** Larger than any encoder's smallest picture. */
const PICTURE = '256x256:r=30';
const SCALED = { width: 192, height: 192 };

export function encoderProofArguments(encoder: NvencEncoder): string[] {
  // Tasks encode H.264 only; the others are proven for what their builds and GPUs can do at all.
  const encoding =
    encoder === 'h264_nvenc' ? videoEncoderArguments(encoder) : ['-c:v', encoder, '-b:v', '1M', '-pix_fmt', 'yuv420p'];
  return [...GLOBAL_ARGUMENTS, '-f', 'lavfi', '-i', `color=black:s=${PICTURE}:d=0.2`, ...encoding, '-f', 'null', '-'];
}

/** One second of H.264, made by the CPU. */
export function proofClipArguments(file: string): string[] {
  const encoding = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
  return [...GLOBAL_ARGUMENTS, '-f', 'lavfi', '-i', `testsrc2=s=${PICTURE}:d=1`, ...encoding, '-f', 'mp4', file];
}

/** Only pictures that are on the GPU can be downloaded from it: a decoder that fell back to the CPU fails this. */
export function decoderProofArguments(file: string): string[] {
  return [...GLOBAL_ARGUMENTS, ...gpuDecoding('gpu'), '-i', file, '-vf', gpuDownload(), '-f', 'null', '-'];
}

export function scalerProofArguments(file: string): string[] {
  const filters = [gpuScale(SCALED), gpuDownload()].join(',');
  return [...GLOBAL_ARGUMENTS, ...gpuDecoding('gpu'), '-i', file, '-vf', filters, '-f', 'null', '-'];
}

/** One HLG picture: filters that this needs may be missing, and it needs no GPU. */
export function toneMapProofArguments(): string[] {
  const coding = { matrix: 'bt2020nc', primaries: 'bt2020', transfer: 'arib-std-b67' };
  const filters = ['format=yuv420p10le', ...toneMapFilters({ pixelFormat: 'yuv420p10le', coding }), 'format=yuv420p'];
  const picture = ['-f', 'lavfi', '-i', 'color=gray:s=64x64:r=25:d=0.04'];
  return [...GLOBAL_ARGUMENTS, ...picture, '-vf', filters.join(','), '-f', 'null', '-'];
}
