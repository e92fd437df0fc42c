/** The lines of `-progress`: `key=value`, a block of them about twice a second, each block ended by `progress=`. */

export interface FfmpegProgress {
  readonly outTimeSeconds: number;
  readonly frames: number;
  /** Media seconds per second of wall time. */
  readonly speed: number | undefined;
}

export const NO_PROGRESS: FfmpegProgress = { outTimeSeconds: 0, frames: 0, speed: undefined };

export function afterProgressLine(progress: FfmpegProgress, line: string): FfmpegProgress {
  const equals = line.indexOf('=');
  const value = line.slice(equals + 1).trim();
  switch (line.slice(0, equals)) {
    // Both are microseconds, whatever the second is called; builds of 2018 print only that one.
    case 'out_time_us':
    case 'out_time_ms':
      return { ...progress, outTimeSeconds: finite(Number(value) / 1e6) ?? progress.outTimeSeconds };
    case 'frame':
      return { ...progress, frames: finite(Number(value)) ?? progress.frames };
    case 'speed':
      return { ...progress, speed: finite(Number.parseFloat(value)) };
    default:
      return progress;
  }
}

/** `N/A` becomes nothing, and so does the hugely negative time that old builds print before the first packet. */
function finite(value: number): number | undefined {
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** Percent of `totalSeconds`, 0 to 100. */
export function percentOf(progress: FfmpegProgress, totalSeconds: number): number {
  if (!(totalSeconds > 0)) return 0;
  return Math.min(100, (100 * progress.outTimeSeconds) / totalSeconds);
}
