/** A job with a pipeline.json of its own, whose items have inputs and names of their own, and whose end reads whatever is there. */
import type { Act, ActScope } from './act.ts';
import { type JobShape, parsed } from './job-shape.ts';
import type { Random } from './random.ts';

const LIST = 'inputs/list.json';
const EXPORT = 'exports/mixed.mp4';
const PARTS = 'stage/parts/';
const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve'];
const recordingKey = (name: string): string => `inputs/recordings/${name}.wav`;

const PIPELINE = {
  version: 1,
  stages: {
    parts: {
      inputs: { list: { key: LIST }, recording: { key: 'inputs/recordings/${item.name}.wav' } },
      for_each: '${inputs.list.parts}',
      task: 'AUDIO_TRIM',
      parameters: { source_uri: '${inputs.recording}', start_sec: '${item.start_sec}', duration_sec: 2 },
      output: `${PARTS}\${item.name}.wav`,
      items_per_run: 3,
      max_attempts: 3,
    },
    mixed: {
      inputs: { parts: { key: `${PARTS}*`, many: true } },
      task: 'CONCATENATION',
      parameters: { segment_urls: '${inputs.parts}' },
      output: EXPORT,
    },
  },
};

interface List {
  readonly parts: readonly { readonly name: string; readonly start_sec: number }[];
}

export const LISTED_SHAPE: JobShape = {
  wanted(folder) {
    if (folder.text('pipeline.json') === undefined) return [];
    const parts = parsed<List>(folder.text(LIST))?.parts ?? [];
    const found = folder.keys(PARTS).map((key, index) => ({ name: `segment_urls.${index}`, key }));
    return [
      {
        name: 'parts',
        task: 'AUDIO_TRIM',
        isOurs: true,
        items: parts.map(({ name, start_sec }) => ({
          key: `${PARTS}${name}.wav`,
          parameters: { start_sec, duration_sec: 2 },
          inputs: [{ name: 'source_uri', key: recordingKey(name) }],
        })),
      },
      ...(found.length === 0
        ? []
        : [{ name: 'mixed', task: 'CONCATENATION', isOurs: true, items: [{ key: EXPORT, parameters: {}, inputs: found }] }]),
    ];
  },
  unreadable: () => [],
};

export function beginListed({ random }: ActScope): readonly Act[] {
  return [
    { says: 'brings a pipeline', key: 'pipeline.json', body: JSON.stringify(PIPELINE) },
    wantParts(random),
    ...NAMES.slice(0, random.between(1, 5)).map((name) => bringRecording(random, name)),
  ];
}

export function listedAct({ random }: ActScope): Act {
  const name = random.pick(NAMES) ?? 'ada';
  const acts: readonly Act[] = [
    wantParts(random),
    bringRecording(random, name),
    bringRecording(random, name),
    { says: 'takes a recording away', key: recordingKey(name), body: null },
    { says: 'deletes a part', key: `${PARTS}${name}.wav`, body: null },
    { says: 'brings a part of their own', key: `${PARTS}${name}.wav`, body: `part ${random.between(1, 3)}` },
    { says: 'brings a part of their own', key: `${PARTS}${name}.wav`, body: `part ${random.between(1, 3)}` },
    { says: 'brings a part of their own', key: `${PARTS}${name}.wav`, body: `part ${random.between(1, 3)}` },
    { says: 'deletes the export', key: EXPORT, body: null },
    { says: 'stops it', key: 'cancel.json', body: '{}' },
    { says: 'lets it go on', key: 'cancel.json', body: null },
  ];
  return random.pick(acts) ?? wantParts(random);
}

function bringRecording(random: Random, name: string): Act {
  return { says: `brings ${name}'s recording`, key: recordingKey(name), body: `${name} ${random.between(1, 3)}` };
}

function wantParts(random: Random): Act {
  const names = NAMES.filter(() => random.chance(0.6));
  const parts = (names.length === 0 ? NAMES.slice(0, 1) : names).map((name) => ({ name, start_sec: random.between(0, 1) }));
  return { says: `wants parts of ${parts.map(({ name }) => name).join(', ')}`, key: LIST, body: JSON.stringify({ parts }) };
}
