/** Colours in an output: limited range, which is all that some players know, and tags that say what the numbers mean. */
import type { VideoStream } from '../probe.ts';

type Colors = Pick<VideoStream, 'pixelFormat' | 'coding'>;

const RGB = /^(rgb|bgr|gbr|argb|abgr|0rgb|0bgr|pal8)/;

/** More options of the `scale` filter, with a colon in front. */
export function rangeOptions(video: Colors): string {
  if (isRgb(video)) return ':out_color_matrix=bt709:out_range=tv';
  return video.coding.fullRange ? ':in_range=pc:out_range=tv' : '';
}

const HDR_TRANSFERS = ['smpte2084', 'arib-std-b67'];

export function isHdr({ coding }: { readonly coding: Pick<VideoStream['coding'], 'transfer'> }): boolean {
  return HDR_TRANSFERS.includes(coding.transfer ?? '');
}

export function isRgb({ pixelFormat }: Pick<VideoStream, 'pixelFormat'>): boolean {
  return RGB.test(pixelFormat ?? '');
}

/** Names that every ffmpeg since 4.1 takes; anything else is left untagged. */
export const MATRICES = ['bt709', 'bt470bg', 'smpte170m', 'smpte240m', 'bt2020nc'];
export const PRIMARIES = ['bt709', 'bt470m', 'bt470bg', 'smpte170m', 'smpte240m', 'bt2020', 'smpte432'];
const TRANSFERS = ['bt709', 'smpte170m', 'smpte240m', 'iec61966-2-1', 'bt2020-10', 'smpte2084', 'arib-std-b67'];

const SDR = { matrix: 'bt709', primaries: 'bt709', transfer: 'bt709' };

/** The tags of the output: not every version carries them over by itself. `toneMaps`: HDR pictures became SDR ones. */
export function colorArguments(video: Colors, toneMaps: boolean): string[] {
  const { coding } = video;
  const given = toneMaps && isHdr(video) ? SDR : isRgb(video) ? { ...SDR, transfer: coding.transfer } : coding;
  return [
    ...['-color_range', 'tv'],
    ...tag('-colorspace', given.matrix, MATRICES),
    ...tag('-color_primaries', given.primaries, PRIMARIES),
    ...tag('-color_trc', given.transfer, TRANSFERS),
  ];
}

function tag(option: string, value: string | undefined, known: readonly string[]): string[] {
  return value !== undefined && known.includes(value) ? [option, value] : [];
}
