/** Chunks under what can happen to them, many times over: whatever it was, what is there in the end is made of the source that is there. */

import { expect, test } from 'vitest';
import { historyOf } from '../../../pipeline/history.ts';
import type { PlannedDispatch } from '../../../pipeline/plan-types.ts';
import { createRandom, type Random } from '../../simulation/random.ts';
import { createJob, graphOf, itemOf, type JobBuilder } from './job-builder.ts';

const SOURCE = 'inputs/video/source.mov';
const OUTPUT = 'stage/downsample/downsampled.mp4';
const FOLDER = 'stage/downsample/chunks/';
const LIST = `${FOLDER}chunks.json`;
const SOUND = `${FOLDER}sound.m4a`;

const GRAPH = graphOf({
  downsample: {
    inputs: { video: { key: 'inputs/video/source.*' } },
    task: 'DOWNSAMPLING',
    parameters: { original_video_uri: '${inputs.video}', resolution: '360p' },
    output: OUTPUT,
    chunks: { above_sec: 60, chunk_sec: 20 },
  },
});

const SEEDS = 200;
const STEPS = 40;

/** Sources of other lengths, one of them mute: a list of one does not do for another. */
const chunksOf = (source: string) =>
  Array.from({ length: source.includes('mute') ? 2 : 3 }, (_, index) => ({
    rate: '25/1',
    start_frame: index * 500,
    frames: 500,
  }));
const SOURCES = ['long 1', 'long 2', 'long and mute', 'short 1'];

/** Long after every delay. */
const LATE_MS = 1e12;

/** How a run of a worker ends. `lost`: after its output, without a result; a sweep then says that it failed. */
type Ending = 'well' | 'fails' | 'lost' | 'lost midway';

class World {
  readonly job: JobBuilder = createJob(GRAPH);
  readonly open: PlannedDispatch[] = [];
  /** Runs that RunPod may carry out once more. */
  readonly past: PlannedDispatch[] = [];

  dispatch(): void {
    const plan = this.job.plan({}, LATE_MS);
    for (const run of plan.cancel) this.job.result(run, 'cancelled');
    for (const run of plan.dispatch) {
      this.job.claim(run);
      this.open.push(run);
    }
  }

  /** What a worker does: it reads what it was planned with, or fails. */
  work(run: PlannedDispatch, ending: Ending, isAgain = false): void {
    const { job } = this;
    const { fingerprint, graphStage, stage, entry } = run;
    const { objects: files } = job.snapshot();
    const read = [...run.inputs.values()].flatMap(({ objects }) => objects);
    const isChanged = read.some(({ key, etag }) => files.get(key)?.etag !== etag);
    const result = (status: 'succeeded' | 'failed' | 'split') => (isAgain ? job : job.result(run, status));
    if (isChanged || ending === 'fails') return void result('failed');
    const texts = read.map(({ key }) => job.text(key) ?? '');
    const [source = ''] = texts;
    const mark = { mark: fingerprint };
    if (graphStage.task === 'JOIN_CHUNKS') job.file(OUTPUT, `joined [${texts.join(' ')}]`, mark);
    else if (stage === 'downsample-chunks') job.file(run.outputKey, `${JSON.stringify(entry)} of ${source}`, mark);
    else if (source.startsWith('short')) job.file(OUTPUT, `whole of ${source}`, mark);
    else {
      const sound = !source.includes('mute');
      job.json(LIST, { version: 1, fingerprint, sound, chunks: chunksOf(source) });
      if (ending === 'lost midway') return void result('failed');
      if (sound) job.file(SOUND, `sound of ${source}`, mark);
      return void result(ending === 'well' ? 'split' : 'failed');
    }
    result(ending === 'well' ? 'succeeded' : 'failed');
  }

  rest(): void {
    for (let round = 0; round < 200; round += 1) {
      for (const run of this.open.splice(0)) if (this.isOpen(run)) this.work(run, 'well');
      const stuck = this.job.plan({}, LATE_MS).stages.flatMap(({ items }) => items);
      for (const item of stuck) if (item.phase === 'failed' || item.phase === 'removed') this.job.retry(item);
      this.dispatch();
      if (this.open.length === 0) return;
    }
    throw new Error('the job does not come to rest');
  }

  isOpen({ stage, item, fingerprint, attempt }: PlannedDispatch): boolean {
    const { results } = historyOf(this.job.snapshot(), stage, item);
    return !results.some((result) => result.fingerprint === fingerprint && result.attempt === attempt);
  }
}

function act(world: World, random: Random): void {
  const { job, open, past } = world;
  const acts: (() => void)[] = [
    () => world.dispatch(),
    () => world.dispatch(),
    ...open.map((run, index) => () => {
      open.splice(index, 1);
      past.push(run);
      if (!world.isOpen(run)) return;
      const ending = random.chance(0.7) ? 'well' : random.pick<Ending>(['fails', 'lost', 'lost midway']);
      world.work(run, ending ?? 'fails');
    }),
    // RunPod carries a run out twice, perhaps much later.
    () => {
      const run = random.pick(past);
      if (run !== undefined) world.work(run, 'well', true);
    },
    () => job.file(SOURCE, random.pick(SOURCES) ?? 'long 1'),
    () => job.remove(random.pick([LIST, SOUND, OUTPUT, `${FOLDER}chunk_1.mp4`]) ?? LIST),
  ];
  random.pick(acts)?.();
}

function expected(source: string): string {
  if (source.startsWith('short')) return `whole of ${source}`;
  const chunks = chunksOf(source).map((chunk) => `${JSON.stringify(chunk)} of ${source}`);
  const sound = source.includes('mute') ? [] : [`sound of ${source}`];
  return `joined [${[...chunks, ...sound].join(' ')}]`;
}

test(`in ${SEEDS} worlds the output is that of the source, whole or joined, and nothing is left to do`, () => {
  const joined = new Set<number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const random = createRandom(seed);
    const world = new World();
    world.job.file(SOURCE, 'long 1');
    for (let step = 0; step < STEPS; step += 1) act(world, random);

    world.rest();

    const [source, output] = [SOURCE, OUTPUT].map((key) => world.job.text(key) ?? '');
    expect([seed, output]).toEqual([seed, expected(source ?? '')]);
    expect(itemOf(world.job.plan({}, LATE_MS), 'downsample').phase).toBe('done');
    if (output?.startsWith('joined') === true) joined.add(seed);
  }
  expect(joined.size).toBeGreaterThan(SEEDS / 4);
}, 60_000);
