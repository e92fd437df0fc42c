/** Is the sound of a video there to its end, and as loud as what it was made of? A track in the header may hold nothing but silence. */
import { MillraceError } from '../../errors.ts';
import { framesPerSecond, type MediaInfo } from '../ffmpeg/probe.ts';

export interface TrackExpectation {
  /** How long the sound may last, any of these; empty where nothing tells. */
  readonly seconds: readonly (number | undefined)[];
  /** How many channels entered. */
  readonly channels: number;
  /** Of a copy; `undefined` where the source does not count them. */
  readonly packets?: number | undefined;
}

const TOLERANCE_SECONDS = 0.05;
/** AAC comes in packets of so many samples: one may be begun before the sound, and one filled up behind it. */
const EDGE_SAMPLES = 2 * 1024;
/** What a source's edits cut off at its ends may go missing in a copy, or be kept. */
const EDGE_PACKETS = 4;

/** Throws OUTPUT_INVALID. */
export function verifyTrack({ audio, video }: MediaInfo, expected: TrackExpectation): void {
  if (audio === undefined) throw invalid('the output has no sound');
  const frameSeconds = video?.frameRate === undefined ? 0 : 1 / framesPerSecond(video.frameRate);
  const edgeSeconds = audio.sampleRate > 0 ? EDGE_SAMPLES / audio.sampleRate : 0;
  const tolerance = Math.max(TOLERANCE_SECONDS, frameSeconds, edgeSeconds);
  const wanted = expected.seconds.filter((seconds) => seconds !== undefined);
  const found = audio.durationSeconds ?? 0;
  const [first] = wanted;
  if (first !== undefined && !wanted.some((seconds) => Math.abs(found - seconds) <= tolerance)) {
    throw invalid(`the output's sound lasts ${found.toFixed(3)} s, not ${first.toFixed(3)} s`);
  }
  const { packets } = expected;
  if (packets !== undefined && Math.abs((audio.packets ?? 0) - packets) > EDGE_PACKETS) {
    throw invalid(`the output has ${audio.packets ?? 0} packets of sound, not ${packets}`);
  }
}

/**
 * AAC rounds peaks off and overshoots: measured up to 6.1 dB more (noise), 6.7 dB more (a square wave) and 6.6 dB less (single clicks)
 * with the encoders of ffmpeg 4.1 and 5.1 at 64 to 192 kbit/s.
 */
const LOSSY_DB = 12;
/** Below this all sound is the same silence: an encoder may leave it out. */
const SILENCE_DBFS = -50;
/** Channels that were mixed into fewer or more of them may rightly lose much: only silence is not right. */
const MIXED_DB = 40;

/** Peaks in dBFS, -Infinity for silence; `unmixed`: as many channels came out as went in. Throws OUTPUT_INVALID. */
export function verifyVideoLevel(madeDbfs: number, enteredDbfs: number, unmixed: boolean): void {
  const [made, entered] = [Math.max(madeDbfs, SILENCE_DBFS), Math.max(enteredDbfs, SILENCE_DBFS)];
  if (Math.abs(made - entered) <= (unmixed ? LOSSY_DB : MIXED_DB)) return;
  throw invalid(
    `the output's sound peaks at ${madeDbfs.toFixed(1)} dBFS where what was encoded peaks at ${enteredDbfs.toFixed(1)} dBFS`,
  );
}

function invalid(what: string): MillraceError {
  return new MillraceError('OUTPUT_INVALID', `Nothing was uploaded: ${what}.`);
}
