/**
 * How loud sound is, measured in the run that handles it: as it enters the encoder of a video, and as it comes out of the file that
 * was made. Written to a file, because what astats logs would need a level at which warnings drown.
 */
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation } from './input.ts';

/** Fixed names inside the private working directory: no path enters a filter's text. */
export const ENTERED_LEVEL_FILE = 'sound-entered.level';
export const MADE_LEVEL_FILE = 'sound-made.level';

const PEAK_KEY = 'lavfi.astats.Overall.Peak_level';

/**
 * Filters, in their order, that let sound through as it is and write its peak so far to `levelFile`, frame by frame. Inline: beside
 * the way of the sound, what is left when the encoder has enough would be lost.
 */
export function meterFilters(levelFile: typeof ENTERED_LEVEL_FILE | typeof MADE_LEVEL_FILE): string[] {
  return ['astats=metadata=1', `ametadata=print:key=${PEAK_KEY}:file=${levelFile}`];
}

/** What the AAC encoder takes: whatever has to be converted is converted before it is measured. */
const AAC_RATES = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/** The value of `-af` for sound that an AAC encoder gets: converted, through `filters`, measured. `layout`: a channel layout of ffmpeg's. */
export function aacFilters(filters: readonly string[] = [], layout?: string): string {
  const format = [
    ...['sample_fmts=fltp', `sample_rates=${AAC_RATES.join('|')}`],
    ...(layout === undefined ? [] : [`channel_layouts=${layout}`]),
  ];
  return [`aformat=${format.join(':')}`, ...filters, ...meterFilters(ENTERED_LEVEL_FILE)].join(',');
}

/** Four seconds at 48 kHz: few lines to read. */
const MEASURED_SAMPLES = 192_000;

/** Decodes the first track of sound, nothing else, and writes its peak to `MADE_LEVEL_FILE` of the working directory. */
export function levelArguments(location: MediaLocation): string[] {
  const filters = [`asetnsamples=n=${MEASURED_SAMPLES}`, 'aformat=sample_fmts=fltp', ...meterFilters(MADE_LEVEL_FILE)];
  return [
    ...GLOBAL_ARGUMENTS,
    ...inputArguments(location),
    ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-af', filters.join(','), '-f', 'null', '-'],
  ];
}

/** The last peak in the end of a level file, in dBFS: -Infinity for silence, and where there was nothing to measure. */
export function writtenPeakDbfs(levelFileTail: string): number {
  const written = [...levelFileTail.matchAll(/^lavfi\.astats\.Overall\.Peak_level=(\S+)$/gm)].at(-1)?.[1];
  const peak = Number(written);
  return written === undefined || !Number.isFinite(peak) ? Number.NEGATIVE_INFINITY : peak;
}
