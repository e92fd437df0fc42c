/** ASS documents: the subtitles that the demo burns in, and the frame that its speaker is drawn in. */
import { SEGMENTS, speechOf } from './segments.ts';

export interface AssEvent {
  readonly layer?: number;
  readonly from: number;
  readonly to: number;
  readonly style: string;
  readonly text: string;
}

export interface AssDocument {
  readonly width: number;
  readonly height: number;
  /** `Style:` lines without their name of the field. */
  readonly styles: readonly string[];
  readonly events: readonly AssEvent[];
}

const STYLE_FIELDS = [
  'Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut',
  'ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding',
].join(', ');

export function assDocument({ width, height, styles, events }: AssDocument): string {
  return [
    '[Script Info]',
    'ScriptType: v4.00+',
    `PlayResX: ${width}`,
    `PlayResY: ${height}`,
    'WrapStyle: 2',
    'ScaledBorderAndShadow: yes',
    '',
    '[V4+ Styles]',
    `Format: ${STYLE_FIELDS}`,
    ...styles.map((style) => `Style: ${style}`),
    '',
    '[Events]',
    'Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text',
    ...events.map(
      ({ layer = 0, from, to, style, text }) => `Dialogue: ${layer},${assTime(from)},${assTime(to)},${style},,0,0,0,,${text}`,
    ),
    '',
  ].join('\n');
}

/** `0:01:02.34`: ASS counts in hundredths. */
export function assTime(seconds: number): string {
  const hundredths = Math.round(seconds * 100);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const minutes = Math.floor(hundredths / 6000);
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two((hundredths % 6000) / 100)}.${two(hundredths % 100)}`;
}

/** One line per segment, shown while somebody speaks; nothing is shown in the pauses. */
export function demoSubtitles(): string {
  return assDocument({
    width: 640,
    height: 360,
    styles: ['Talk,DejaVu Sans,26,&H00FFFFFF,&H00FFFFFF,&H00201810,&H80000000,1,0,0,0,100,100,0,0,1,2,0,2,20,20,18,1'],
    events: SEGMENTS.map((segment, index) => {
      const { from, to } = speechOf(segment);
      return { from, to, style: 'Talk', text: `Segment ${index} of ${SEGMENTS.length}, from ${segment.start_sec} s` };
    }),
  });
}
