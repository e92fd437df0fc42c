/** What the demo asks for: a minute of talk, cut without gaps into segments whose lengths are a whole number of frames. */
import type { Segment } from '../../manifests/segments.ts';

/** Of every clip. With lengths that are whole frames the clips, and so the joined video, stay in step with the master. */
export const FRAMES_PER_SECOND = 25;
export const SAMPLE_RATE = 48_000;

const DURATIONS_SECONDS = [5.24, 6.76, 4.88, 7.32, 5.6, 6.04, 5.96, 6.48, 5.2, 6.52] as const;
/** Only the last one is padded: silence anywhere else would move the clips behind it away from the master. */
const LAST_TARGET_SECONDS = 7;
/** How long the speaker is silent at the end of each segment. */
export const PAUSE_SECONDS = 0.48;

export const SEGMENTS: readonly Segment[] = DURATIONS_SECONDS.map((duration, index) => ({
  start_sec: rounded(DURATIONS_SECONDS.slice(0, index).reduce((sum, seconds) => sum + seconds, 0)),
  duration_sec: duration,
  ...(index === DURATIONS_SECONDS.length - 1 ? { target_sec: LAST_TARGET_SECONDS } : {}),
}));

/** Adding decimals in binary leaves dust behind the last one. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** How long the segment's WAV file is: padded where the manifest says so. */
export function segmentSeconds({ duration_sec: duration, target_sec: target }: Segment): number {
  return Math.max(duration, target ?? 0);
}

/** When somebody speaks in a segment, on the master's clock. */
export function speechOf({ start_sec: start, duration_sec: duration }: Segment): { from: number; to: number } {
  return { from: start, to: rounded(start + duration - PAUSE_SECONDS) };
}

export const MASTER_SECONDS = rounded(DURATIONS_SECONDS.reduce((sum, seconds) => sum + seconds, 0));
