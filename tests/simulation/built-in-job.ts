/** A job that the built-in pipeline works on, and what its owner does to it. */
import type { Act, ActScope } from './act.ts';
import { type Folder, type JobShape, onlyKey, parsed, type WantedInput, type WantedItem, type WantedStage } from './job-shape.ts';
import { BY_HAND, type FakeMedia } from './media.ts';
import type { Random } from './random.ts';

interface Segment {
  readonly start_sec: number;
  readonly duration_sec: number;
}

const SOURCES = 'inputs/sources.json';
const SEGMENTS = 'stage/segmentation/segments.json';
const SEGMENTS_AT_ROOT = 'segments.json';
const MASTER = 'inputs/audio/master.';
const VIDEO = 'inputs/video/source.mp4';
const JOINED = 'stage/concatenation/concatenated.mp4';
const ENCODING = 'stage/encoding/encoding.json';
const EXPORT = 'exports/output.mp4';
const FONTS = 'fonts/';
const segmentKey = (index: number): string => `stage/segmentation/audio_segments/segment_${index}.wav`;
const clipKey = (index: number): string => `stage/clips/segment_${index}.mp4`;
const subtitlesKey = (language: string): string => `inputs/subtitles/${language}.ass`;

export const BUILT_IN_SHAPE: JobShape = {
  wanted(folder) {
    return [staging(folder), segmentation(folder), downsample(folder), concatenation(folder), encoding(folder)].flatMap(
      (stage) => stage ?? [],
    );
  },
  unreadable: (folder) =>
    [SEGMENTS, SEGMENTS_AT_ROOT, ENCODING].filter(
      (key) => folder.text(key) !== undefined && parsed(folder.text(key)) === undefined && !isTwice(folder, key),
    ),
};

/** Where the same manifest lies in two places neither is read. */
const isTwice = (folder: Folder, key: string): boolean =>
  key !== ENCODING && folder.text(SEGMENTS) !== undefined && folder.text(SEGMENTS_AT_ROOT) !== undefined;

function segmentsOf(folder: Folder): readonly Segment[] | undefined {
  if (isTwice(folder, SEGMENTS)) return undefined;
  return parsed<{ segments: Segment[] }>(folder.text(SEGMENTS) ?? folder.text(SEGMENTS_AT_ROOT))?.segments;
}

const stage = (name: string, task: string, items: readonly WantedItem[]): WantedStage => ({ name, task, isOurs: true, items });

function staging(folder: Folder): WantedStage | null {
  const sources = parsed<{ sources: { source_uri: string; dest_key: string }[] }>(folder.text(SOURCES))?.sources;
  if (sources === undefined) return null;
  return stage(
    'staging',
    'STAGE_OBJECT',
    sources.map(({ source_uri, dest_key }) => ({ key: dest_key, parameters: { source_uri }, inputs: [] })),
  );
}

function segmentation(folder: Folder): WantedStage | null {
  const segments = segmentsOf(folder);
  if (segments === undefined) return null;
  const master = onlyKey(folder, MASTER);
  const inputs = master === null ? null : [{ name: 'source_uri', key: master }];
  return stage(
    'segmentation',
    'AUDIO_TRIM',
    segments.map(({ start_sec, duration_sec }, index) => ({
      key: segmentKey(index),
      parameters: { start_sec, duration_sec },
      inputs,
    })),
  );
}

function downsample(folder: Folder): WantedStage | null {
  const isOn = folder.text(VIDEO) !== undefined || (staging(folder)?.items ?? []).some(({ key }) => key === VIDEO);
  if (!isOn) return null;
  const item = {
    key: 'stage/downsample/downsampled.mp4',
    parameters: { resolution: '360p' },
    inputs: [{ name: 'original_video_uri', key: VIDEO }],
  };
  return stage('downsample', 'DOWNSAMPLING', [item]);
}

function concatenation(folder: Folder): WantedStage | null {
  const count = segmentsOf(folder)?.length;
  if (count === undefined) {
    // A manifest that cannot be read holds everything back that comes after it.
    const isThere = [SEGMENTS, SEGMENTS_AT_ROOT].some((key) => folder.text(key) !== undefined);
    return isThere ? stage('concatenation', 'CONCATENATION', [{ key: JOINED, parameters: {}, inputs: null }]) : null;
  }
  const clips = Array.from({ length: count }, (_, index) => clipKey(index));
  if (!clips.some((key) => folder.text(key) !== undefined)) return null;
  const inputs = clips.map((key, index) => ({ name: `segment_urls.${index}`, key }));
  return stage('concatenation', 'CONCATENATION', [{ key: JOINED, parameters: {}, inputs }]);
}

function encoding(folder: Folder): WantedStage | null {
  const manifest = parsed<{ language: string; subtitles?: boolean }>(folder.text(ENCODING));
  if (manifest === undefined) return null;
  const { language, subtitles = false } = manifest;
  const master = onlyKey(folder, MASTER);
  const inputs: WantedInput[] | null =
    master === null
      ? null
      : [
          { name: 'input_video_uri', key: JOINED },
          { name: 'input_audio_uri', key: master },
          ...(subtitles ? [{ name: 'subtitles_uri', key: subtitlesKey(language) }] : []),
          ...(subtitles ? folder.keys(FONTS).map((key, index) => ({ name: `fonts_uris.${index}`, key })) : []),
        ];
  return stage('encoding', 'ENCODING', [{ key: EXPORT, parameters: { id: folder.job, language, subtitles }, inputs }]);
}

/** What its owner begins with, in either order. */
export function beginBuiltIn({ random }: ActScope): readonly Act[] {
  const acts = [wantSegments(random), bringMaster(random)];
  return random.chance(0.5) ? acts : acts.reverse();
}

export function builtInAct({ random, folder }: ActScope): Act {
  const some = random.between(0, Math.max(0, folder.keys('stage/segmentation/audio_segments/').length - 1));
  const clip = (): Act => ({ says: 'brings a clip', key: clipKey(random.between(0, 2)), body: `clip ${random.between(1, 9)}` });
  const acts: readonly Act[] = [
    wantSegments(random),
    wantSegments(random),
    { ...wantSegments(random), says: 'wants one segment', body: JSON.stringify({ segments: [segment(random, 0)] }) },
    bringMaster(random),
    bringMaster(random),
    bringMaster(random),
    { says: 'brings another master', key: `${MASTER}wav`, body: 'master 9' },
    { says: 'takes the other master away', key: `${MASTER}wav`, body: null },
    { says: 'takes the other master away', key: `${MASTER}wav`, body: null },
    { says: 'takes the master away', key: `${MASTER}m4a`, body: null },
    { says: 'writes nonsense', key: SEGMENTS, body: '{"segments": [' },
    { says: 'writes the segments to the root, too', key: SEGMENTS_AT_ROOT, body: wantSegments(random).body },
    { says: 'deletes the segments at the root', key: SEGMENTS_AT_ROOT, body: null },
    { says: 'deletes the segments at the root', key: SEGMENTS_AT_ROOT, body: null },
    { says: 'deletes the segments', key: SEGMENTS, body: null },
    { says: 'deletes an output', key: segmentKey(some), body: null },
    { says: 'puts an output there', key: segmentKey(some), body: ownCut(random, folder, some) },
    clip(),
    clip(),
    clip(),
    { says: 'deletes a clip', key: clipKey(random.between(0, 2)), body: null },
    { says: 'brings a video', key: VIDEO, body: `video ${random.between(1, 2)}` },
    { says: 'wants an export', key: ENCODING, body: JSON.stringify({ language: 'en', subtitles: random.chance(0.5) }) },
    { says: 'wants an export', key: ENCODING, body: JSON.stringify({ language: 'en' }) },
    { says: 'deletes the export', key: EXPORT, body: null },
    { says: 'brings subtitles', key: subtitlesKey('en'), body: `subtitles ${random.between(1, 2)}` },
    { says: 'brings a font', key: `${FONTS}${random.between(1, 2)}.ttf`, body: `font ${random.between(1, 2)}` },
    { says: 'stops it', key: 'cancel.json', body: '{}' },
    { says: 'lets it go on', key: 'cancel.json', body: null },
    wantVideo(random),
    wantVideo(random),
    { says: 'fetches nothing any more', key: SOURCES, body: null },
  ];
  return random.pick(acts) ?? wantSegments(random);
}

function bringMaster(random: Random): Act {
  return { says: 'brings a master', key: `${MASTER}m4a`, body: `master ${random.between(1, 3)}` };
}

const segment = (random: Random, index: number): Segment => ({ start_sec: index * 10 + random.between(0, 1), duration_sec: 5 });

function wantSegments(random: Random): Act & { readonly body: string } {
  const segments = Array.from({ length: random.between(1, random.chance(0.2) ? 12 : 6) }, (_, index) => segment(random, index));
  return { says: `wants ${segments.length} segments`, key: SEGMENTS, body: JSON.stringify({ segments }) };
}

function wantVideo(random: Random): Act {
  const sources = [{ source_uri: `https://example.com/${random.between(1, 2)}`, dest_key: VIDEO }];
  return { says: 'wants a video fetched', key: SOURCES, body: JSON.stringify({ sources }) };
}

/** A person who makes a segment by hand makes the one that the job wants. */
function ownCut(random: Random, folder: Folder, index: number): string {
  const { start_sec = 0 } = segmentsOf(folder)?.[index] ?? {};
  const master = folder.text(`${MASTER}m4a`) ?? '';
  const media: FakeMedia = { task: BY_HAND, parameters: { start_sec }, read: { source_uri: master }, noise: random.next() };
  return JSON.stringify(media);
}
