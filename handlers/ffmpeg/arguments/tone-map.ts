/**
 * HDR pictures (PQ and HLG: phones record them unasked) as SDR ones. Unconverted they look grey and flat wherever their tags are not
 * read, and 8 bits are too few for them.
 */
import type { VideoStream } from '../probe.ts';
import { isHdr, isRgb, MATRICES, PRIMARIES } from './color.ts';

type Pictures = Pick<VideoStream, 'pixelFormat'> & {
  readonly coding: Pick<VideoStream['coding'], 'matrix' | 'primaries' | 'transfer'>;
};

/** What an SDR screen's white stands for, in candelas per square metre. */
const SDR_WHITE = 100;

/**
 * Filters for limited-range pictures; none where they are SDR. `mobius` leaves dark and middle tones as bright as they were meant to
 * be, and presses together what lies above: HDR's reference white (203 cd/m², ITU-R BT.2408) becomes 92 % grey.
 */
export function toneMapFilters(video: Pictures): string[] {
  if (!isHdr(video)) return [];
  const { matrix, primaries, transfer } = video.coding;
  const given = isRgb(video) ? 'bt709' : knownOr('bt2020nc', matrix, MATRICES);
  return [
    // zscale reads what it needs from the pictures' tags, and refuses those that lack one.
    `setparams=range=tv:color_primaries=${knownOr('bt2020', primaries, PRIMARIES)}:color_trc=${transfer}:colorspace=${given}`,
    `zscale=t=linear:npl=${SDR_WHITE}`,
    'format=gbrpf32le',
    'zscale=p=bt709',
    'tonemap=tonemap=mobius',
    'zscale=t=bt709:m=bt709:r=tv',
  ];
}

function knownOr(fallback: string, name: string | undefined, known: readonly string[]): string {
  return name !== undefined && known.includes(name) ? name : fallback;
}
