/**
 * Audio cuts that are exact to the sample: the same samples that a decode and resample of the whole source would give at that
 * place, without reading the whole source where its container can be trusted to seek.
 */
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation, seconds } from './input.ts';

export const CUT_SAMPLE_RATE = 48_000;
export const CUT_CHANNELS = 2;
export const CUT_BYTES_PER_SAMPLE = 2;
export const CUT_BLOCK_BYTES = CUT_CHANNELS * CUT_BYTES_PER_SAMPLE;

/**
 * What a source needs before it can be cut. `none`: its index is exact to the sample. `remux`: it has no index (a cut near its end
 * would read the whole file), but a copy of its packets in .mp4 has one. `decode`: its timestamps are coarser than samples
 * (Matroska's are whole milliseconds) or its seeks land elsewhere (Ogg), so it is decoded once, from the start.
 */
export type CutPreparation = 'none' | 'remux' | 'decode';

export function cutPreparation(formatName: string): CutPreparation {
  const names = formatName.split(',');
  if (names.some((name) => name === 'wav' || name === 'flac' || name === 'mov' || name === 'mp4')) return 'none';
  return names.some((name) => name === 'mp3' || name === 'aac') ? 'remux' : 'decode';
}

/** A span in samples of the output, at 48 kHz. */
export interface SampleSpan {
  readonly start: number;
  readonly count: number;
}

export interface CutPlan {
  /** Where reading starts, in samples of the source; 0 is the beginning. */
  readonly seekSamples: number;
  /** Samples of the source to drop after that, because a decoder needs a while to become exact. */
  readonly warmUpSamples: number;
  /** Samples of the output to drop after resampling. */
  readonly skipSamples: number;
}

/** With half a second in front every format tested is as exact as a whole decode; without, AAC and MP3 differ at first. */
const WARM_UP_SECONDS = 0.5;
/** More than the resampler's filter is long, on both sides. */
const RESAMPLER_MARGIN_SECONDS = 0.1;

/**
 * Cuts start where both rates have a sample at the same instant (44.1 kHz: every 147 samples of the source are 160 of the output):
 * from there the resampler gives what it would have given in the whole.
 */
export function cutPlan(span: SampleSpan, sourceRate: number): CutPlan {
  const divisor = greatestCommonDivisor(sourceRate, CUT_SAMPLE_RATE);
  const outputStep = CUT_SAMPLE_RATE / divisor;
  const margin = sourceRate === CUT_SAMPLE_RATE ? 0 : Math.ceil(RESAMPLER_MARGIN_SECONDS * CUT_SAMPLE_RATE);
  const steps = Math.max(0, Math.floor((span.start - margin) / outputStep));
  const anchor = steps * (sourceRate / divisor);
  const seekSamples = Math.max(0, anchor - Math.ceil(WARM_UP_SECONDS * sourceRate));
  return { seekSamples, warmUpSamples: anchor - seekSamples, skipSamples: span.start - steps * outputStep };
}

export interface AudioCut {
  readonly location: MediaLocation;
  readonly streamIndex: number;
  readonly sourceRate: number;
  /** How much later than its file the sound begins. */
  readonly delaySeconds: number;
  readonly span: SampleSpan;
}

/** Samples are counted from the beginning of what is read: sound that begins later gets silence in front. */
export const FROM_THE_BEGINNING = 'aresample=async=1:first_pts=0';

/**
 * Writes the span as raw s16le stereo to stdout: WAV written to a pipe has wrong sizes in its header. The same span as the decoder
 * gave it, before anything was resampled, is measured beside: see `measuredPeakDbfs`.
 */
export function audioCutArguments(cut: AudioCut): string[] {
  const plan = cutPlan(cut.span, cut.sourceRate);
  const readSeconds = plan.warmUpSamples / cut.sourceRate + (plan.skipSamples + cut.span.count) / CUT_SAMPLE_RATE + 1;
  const inSource = (samples: number) => Math.round((samples * cut.sourceRate) / CUT_SAMPLE_RATE);
  const seekSeconds = plan.seekSamples / cut.sourceRate;
  const isLate = seekSeconds < cut.delaySeconds;
  const spanStart = inSource(plan.skipSamples);
  const spanEnd = Math.max(spanStart + 1, inSource(plan.skipSamples + cut.span.count));
  const filters = [
    `${isLate ? `${FROM_THE_BEGINNING},` : ''}atrim=start_sample=${plan.warmUpSamples},asetpts=N/SR/TB,asplit[cut][measured]`,
    `[measured]atrim=start_sample=${spanStart}:end_sample=${spanEnd},astats,anullsink`,
    `[cut]${PCM_FILTERS.join(',')},atrim=start_sample=${plan.skipSamples}:end_sample=${plan.skipSamples + cut.span.count}`,
  ];
  return [
    ...GLOBAL_ARGUMENTS,
    // What astats measured is printed at this level.
    ...['-loglevel', 'info'],
    ...inputArguments(cut.location, { seekSeconds, durationSeconds: readSeconds }),
    ...['-map', `0:${cut.streamIndex}`, '-af', filters.join(';'), '-f', 's16le', 'pipe:1'],
  ];
}

/** The peak that astats reported for all channels, in dBFS: -Infinity for silence, `undefined` where there was nothing to measure. */
export function measuredPeakDbfs(stderrTail: string): number | undefined {
  const [, overall = ''] = /\[Parsed_astats_\d+ @ [^\]]*\] Overall([\s\S]*)$/.exec(stderrTail) ?? [];
  const [, text] = /\] Peak level dB: (-?inf|-?\d+(?:\.\d+)?)/.exec(overall) ?? [];
  if (text === undefined) return undefined;
  return text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

export const PCM_FILTERS = [`aresample=${CUT_SAMPLE_RATE}`, 'aformat=sample_fmts=s16:channel_layouts=stereo'] as const;

/** Copies the packets of one audio stream into a container with an index. */
export function remuxArguments(location: MediaLocation, streamIndex: number, outputFile: string): string[] {
  return [...GLOBAL_ARGUMENTS, ...inputArguments(location), '-map', `0:${streamIndex}`, '-c', 'copy', '-f', 'mp4', outputFile];
}

/** Decodes one audio stream from the start, for sources that cannot be trusted to seek. */
export function decodeArguments(
  { location, streamIndex, delaySeconds }: Pick<AudioCut, 'location' | 'streamIndex' | 'delaySeconds'>,
  untilSeconds: number,
  outputFile: string,
): string[] {
  const filters = [...(delaySeconds > 0 ? [FROM_THE_BEGINNING] : []), ...PCM_FILTERS];
  return [
    ...GLOBAL_ARGUMENTS,
    ...inputArguments(location),
    ...['-map', `0:${streamIndex}`, '-af', filters.join(','), '-t', seconds(untilSeconds)],
    // Six hours of this are more than a plain WAV header can count.
    ...['-c:a', 'pcm_s16le', '-rf64', 'auto', '-f', 'wav', outputFile],
  ];
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
