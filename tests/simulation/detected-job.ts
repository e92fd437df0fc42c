/** A job with a pipeline.json of its own, in which another program's endpoint finds the cuts. */
import type { Act, ActScope } from './act.ts';
import { type JobShape, onlyKey, parsed } from './job-shape.ts';
import { FOREIGN_ENDPOINT } from './settings.ts';

const MASTER = 'inputs/audio/master.m4a';
const CUTS = 'stage/detection/cuts.json';
const EXPORT = 'exports/joined.mp4';
const segmentKey = (index: number): string => `stage/segmentation/audio_segments/segment_${index}.wav`;

const PIPELINE = {
  version: 1,
  stages: {
    detection: {
      inputs: { audio: { key: 'inputs/audio/master.*' } },
      endpoint: FOREIGN_ENDPOINT,
      payload: { audio_url: '${inputs.audio}', upload_url: '${output}' },
      output: CUTS,
      patience_sec: 600,
    },
    segmentation: {
      inputs: { audio: { key: 'inputs/audio/master.*' }, cuts: { key: CUTS } },
      for_each: '${inputs.cuts.segments}',
      task: 'AUDIO_TRIM',
      parameters: { source_uri: '${inputs.audio}', start_sec: '${item.start_sec}', duration_sec: '${item.duration_sec}' },
      output: 'stage/segmentation/audio_segments/segment_${index}.wav',
    },
    joined: {
      inputs: { parts: { stage: 'segmentation' } },
      task: 'CONCATENATION',
      parameters: { segment_urls: '${inputs.parts}' },
      output: EXPORT,
    },
  },
};

interface Cuts {
  readonly segments: readonly { readonly start_sec: number; readonly duration_sec: number }[];
}

export const DETECTED_SHAPE: JobShape = {
  wanted(folder) {
    if (folder.text('pipeline.json') === undefined) return [];
    const master = onlyKey(folder, 'inputs/audio/master.');
    if (master === null) return [];
    const audio = { name: 'source_uri', key: master };
    const cuts = parsed<Cuts>(folder.text(CUTS))?.segments ?? [];
    const segments = cuts.map(({ start_sec, duration_sec }, index) => ({
      key: segmentKey(index),
      parameters: { start_sec, duration_sec },
      // What is cut depends on the cuts, which are read as a list and not as an input.
      inputs: [audio],
      after: CUTS,
    }));
    const parts = segments.map(({ key }, index) => ({ name: `segment_urls.${index}`, key }));
    return [
      {
        name: 'detection',
        task: `endpoint:${FOREIGN_ENDPOINT}`,
        isOurs: false,
        items: [{ key: CUTS, parameters: {}, inputs: [{ name: 'audio_url', key: master }] }],
      },
      { name: 'segmentation', task: 'AUDIO_TRIM', isOurs: true, items: segments },
      ...(parts.length === 0
        ? []
        : [{ name: 'joined', task: 'CONCATENATION', isOurs: true, items: [{ key: EXPORT, parameters: {}, inputs: parts }] }]),
    ];
  },
  unreadable: () => [],
};

export function beginDetected(): readonly Act[] {
  return [
    { says: 'brings a pipeline', key: 'pipeline.json', body: JSON.stringify(PIPELINE) },
    { says: 'brings a master', key: MASTER, body: 'master 1' },
  ];
}

export function detectedAct({ random }: ActScope): Act {
  const acts: readonly Act[] = [
    { says: 'brings a master', key: MASTER, body: `master ${random.between(1, 4)}` },
    { says: 'deletes the export', key: EXPORT, body: null },
    { says: 'deletes the cuts', key: CUTS, body: null },
    { says: 'deletes an output', key: segmentKey(0), body: null },
    { says: 'stops it', key: 'cancel.json', body: '{}' },
    { says: 'lets it go on', key: 'cancel.json', body: null },
  ];
  return random.pick(acts) ?? { says: 'stops it', key: 'cancel.json', body: '{}' };
}
