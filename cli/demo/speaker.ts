/** The demo's stand-in for a talking-head model: a face drawn with vector shapes, whose mouth moves while somebody speaks. */
import { type AssEvent, assDocument } from './subtitles.ts';

export interface SpeakerScene {
  readonly width: number;
  readonly height: number;
  readonly durationSeconds: number;
  /** The mouth is closed from here on. */
  readonly speechSeconds: number;
  /** Which segment: other colours and other words. */
  readonly index: number;
}

/** Background, shirt, as ASS writes colours: blue, green, red. */
const PALETTES = [
  ['&H7A5A3C&', '&H3A46C8&'],
  ['&H5B6E2F&', '&H2F8FE0&'],
  ['&H6B3F5E&', '&H58B368&'],
  ['&H4A4A4A&', '&HB06A3A&'],
  ['&H2F5C80&', '&H8A4FA0&'],
] as const;
const SKIN = '&HA8C6F0&';
const HAIR = '&H23344F&';
const DARK = '&H1E1A18&';
const LIPS = '&H3C3CA0&';
const WHITE = '&HFFFFFF&';
const SYLLABLE_MS = 140;

export function speakerScene({ width, height, durationSeconds, speechSeconds, index }: SpeakerScene): string {
  const [background, shirt] = PALETTES[index % PALETTES.length] ?? PALETTES[0];
  const unit = Math.min(width, height) / 100;
  const [x, y] = [width / 2, height * 0.44];
  const sway = '\\t(0,1500,\\frz2.5)\\t(1500,3500,\\frz-2.5)\\t(3500,5500,\\frz2)\\t(5500,7500,\\frz0)';
  const turning = `\\org(${point(x, y + 40 * unit)})${sway}`;
  const shape = (layer: number, colour: string, [dx, dy, rx, ry]: Ellipse, tags = turning): AssEvent => ({
    layer,
    from: 0,
    to: durationSeconds + 1,
    style: 'Shape',
    text: `{\\an7\\pos(${point(x + dx * unit, y + dy * unit)})\\1c${colour}${tags}\\p1}${ellipse(rx * unit, ry * unit)}`,
  });
  const mouth = `${turning}${mouthMoves(speechSeconds, index)}`;
  const blink = '\\t(1900,1980,\\fscy10)\\t(1980,2080,\\fscy100)\\t(4300,4380,\\fscy10)\\t(4380,4480,\\fscy100)';
  return assDocument({
    width,
    height,
    styles: ['Shape,DejaVu Sans,20,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,7,0,0,0,1'],
    events: [
      shape(0, background, [0, 0, 4 * (width / unit), 4 * (height / unit)], ''),
      shape(1, WHITE, [0, -2, 42, 42], '\\1a&HD8&'),
      shape(2, shirt, [0, 90, 44, 60], ''),
      shape(3, SKIN, [0, 28, 8, 12]),
      shape(4, HAIR, [0, -7, 23, 25]),
      shape(5, SKIN, [0, 0, 20, 25]),
      shape(6, WHITE, [-8, -4, 4.2, 3.2], `${turning}${blink}`),
      shape(6, WHITE, [8, -4, 4.2, 3.2], `${turning}${blink}`),
      shape(7, DARK, [-8, -4, 1.8, 1.8], `${turning}${blink}`),
      shape(7, DARK, [8, -4, 1.8, 1.8], `${turning}${blink}`),
      shape(8, LIPS, [0, 12, 6.5, 4.2], mouth),
    ],
  });
}

/** Centre and radii, in hundredths of the picture's shorter side, from the middle of the face. */
type Ellipse = readonly [dx: number, dy: number, rx: number, ry: number];

const CLOSED_PERCENT = 14;

/** Opens and closes in no plain rhythm, always the same for the same segment. */
function mouthMoves(speechSeconds: number, index: number): string {
  const syllables = Math.floor((speechSeconds * 1000) / SYLLABLE_MS);
  const moves = Array.from({ length: syllables }, (_, syllable) => {
    const isLast = syllable === syllables - 1;
    const open = isLast ? CLOSED_PERCENT : CLOSED_PERCENT + Math.round(100 * Math.abs(Math.sin(syllable * 2.3 + index)));
    return `\\t(${syllable * SYLLABLE_MS},${(syllable + 1) * SYLLABLE_MS},\\fscy${open})`;
  });
  return `\\fscy${CLOSED_PERCENT}${moves.join('')}`;
}

const point = (x: number, y: number): string => `${x.toFixed(1)},${y.toFixed(1)}`;

/** How far a Bézier curve's handles are from its ends to make a quarter of a circle. */
const HANDLE = 0.5523;

/** Around the origin. */
function ellipse(rx: number, ry: number): string {
  const curve = (...numbers: number[]) => `b ${numbers.map((value) => value.toFixed(1)).join(' ')}`;
  const [hx, hy] = [rx * HANDLE, ry * HANDLE];
  return [
    `m ${(-rx).toFixed(1)} 0`,
    curve(-rx, -hy, -hx, -ry, 0, -ry),
    curve(hx, -ry, rx, -hy, rx, 0),
    curve(rx, hy, hx, ry, 0, ry),
    curve(-hx, ry, -rx, hy, -rx, 0),
  ].join(' ');
}
