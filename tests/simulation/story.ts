/** What happens in a world: users at work while things break, then quiet; and what must be true at the end. */
import { MARK } from '../../pipeline/facts.ts';
import type { PlannedItem, PlannedStage } from '../../pipeline/plan-types.ts';
import { type FakeMedia, NO_TROUBLES, type Troubles } from './gpu-cloud.ts';
import type { Random } from './random.ts';
import { createWorld, LAYOUT, type World, type WorldTroubles } from './world.ts';

const MINUTE_MS = 60_000;
const TROUBLED_MS = 50 * MINUTE_MS;
/** Patience of 65 minutes, twelve attempts at most, holds of 15 minutes: far less than all of them in a row. */
const QUIET_LIMIT_MS = 24 * 60 * MINUTE_MS;

const UNTROUBLED: WorldTroubles = { kill: 0, stall: 0, storeError: 0, loseEvent: 0, loseUserEvent: 0, doubleEvent: 0 };

const BUILT_IN = 'job-a';
/** Has a pipeline.json of its own: another program's endpoint finds the cuts. */
const DETECTED = 'job-b.2';
const JOBS = [BUILT_IN, DETECTED];

const DETECTED_PIPELINE = {
  version: 1,
  stages: {
    detection: {
      inputs: { audio: { key: 'inputs/audio/master.*' } },
      endpoint: 'speech-detection',
      payload: { audio_url: '${inputs.audio}', upload_url: '${output}' },
      output: 'stage/detection/cuts.json',
      patience_sec: 600,
    },
    segmentation: {
      inputs: { audio: { key: 'inputs/audio/master.*' }, cuts: { key: 'stage/detection/cuts.json' } },
      for_each: '${inputs.cuts.segments}',
      task: 'AUDIO_TRIM',
      parameters: { source_uri: '${inputs.audio}', start_sec: '${item.start_sec}', duration_sec: '${item.duration_sec}' },
      output: 'stage/segmentation/audio_segments/segment_${index}.wav',
    },
    joined: {
      inputs: { parts: { stage: 'segmentation' } },
      task: 'CONCATENATION',
      parameters: { segment_urls: '${inputs.parts}' },
      output: 'exports/joined.mp4',
    },
  },
};

export interface Ending {
  readonly world: World;
  readonly faults: readonly string[];
}

/** Lives through one seed. */
export async function tellStory(seed: number): Promise<Ending> {
  const cloudTroubles: Troubles = { ...NO_TROUBLES };
  const troubles: WorldTroubles = { ...UNTROUBLED };
  const world = createWorld(seed, cloudTroubles, troubles);
  const { random, schedule } = world;
  const isAudited = random.chance(0.5);
  // Half of the troubles spare a world altogether; some worlds are hit hard by one of them.
  const upTo = (most: number): number => (random.chance(0.5) ? 0 : random.next() * most);
  Object.assign(cloudTroubles, {
    refuse: upTo(0.5),
    uncertain: upTo(0.2),
    crash: upTo(0.2),
    lose: upTo(0.2),
    repeat: upTo(0.8),
    fail: upTo(0.4),
    mute: upTo(0.5),
  } satisfies Troubles);
  Object.assign(troubles, {
    kill: upTo(0.01),
    stall: upTo(0.01),
    storeError: upTo(0.03),
    loseEvent: upTo(1),
    loseUserEvent: isAudited ? upTo(1) : 0,
    doubleEvent: upTo(0.3),
  } satisfies WorldTroubles);
  const faults: string[] = [];
  world.startConsumers(random.between(1, 3));
  employUsers(world);

  const startedMs = schedule.now();
  await schedule.run(() => false, startedMs + TROUBLED_MS);
  Object.assign(cloudTroubles, NO_TROUBLES);
  Object.assign(troubles, UNTROUBLED);
  // What the hourly audit does for events that were lost before they reached the queue.
  if (isAudited) for (const job of JOBS) world.nudge(job);

  const isStill = await schedule.run(() => hasSettled(world), schedule.now() + QUIET_LIMIT_MS);
  if (!isStill) faults.push('the world does not come to rest');
  faults.push(...world.violations);
  for (const job of JOBS) faults.push(...(await wrongItems(world, job)));
  for (const job of JOBS) {
    const before = world.writes();
    await world.reconcileOnce(job);
    if (world.writes() !== before) faults.push(`a reconcile of ${job}, which is quiet, writes`);
  }
  return { world, faults };
}

/** No message, no run, no claim, no note: nothing is left that could wake anybody. */
function hasSettled({ unsettled, cloud, bucket }: World): boolean {
  if (unsettled() > 0 || cloud.busy() > 0) return false;
  for (const key of bucket.objects.keys()) {
    if (key.startsWith(`${LAYOUT.statePrefix}/claims/`) || key.startsWith(`${LAYOUT.statePrefix}/waiting/`)) return false;
  }
  return true;
}

const RESTING: readonly PlannedItem['phase'][] = ['done', 'failed', 'removed', 'waiting', 'external', 'cancelled'];

async function wrongItems({ look, bucket }: World, job: string): Promise<string[]> {
  const faults: string[] = [];
  const { plan } = await look(job);
  for (const stage of plan.stages) {
    for (const item of stage.items) {
      const name = `${job}/${stage.name}/${item.item}`;
      if (!RESTING.includes(item.phase)) faults.push(`${name} is left ${item.phase} ${item.why}`);
      const object = bucket.objects.get(LAYOUT.jobKey(job, item.outputKey));
      const mark = object?.metadata[MARK];
      if (item.phase === 'done' && object === undefined) faults.push(`${name} counts as done without an output`);
      if (item.phase === 'done' && mark !== undefined && mark !== item.fingerprint) faults.push(`${name} has another's output`);
    }
  }
  if (plan.stopped === null)
    faults.push(
      ...wrongSegments(
        bucket,
        job,
        plan.stages.find(({ name }) => name === 'segmentation'),
      ),
    );
  return faults;
}

/** Knows nothing of fingerprints: what a segment was cut from, and where, must be what the job says now. */
function wrongSegments(bucket: World['bucket'], job: string, stage: PlannedStage | undefined): string[] {
  const manifest = bucket.text(
    LAYOUT.jobKey(job, job === DETECTED ? 'stage/detection/cuts.json' : 'stage/segmentation/segments.json'),
  );
  const master = bucket.text(LAYOUT.jobKey(job, 'inputs/audio/master.m4a'));
  if (manifest === undefined || master === undefined || stage?.phase !== 'active') return [];
  const { items } = stage;
  const { segments } = JSON.parse(manifest) as { segments: Record<string, number>[] };
  const faults: string[] = [];
  if (items.length !== segments.length) faults.push(`${job} plans ${items.length} segments of ${segments.length}`);
  for (const [index, segment] of segments.entries()) {
    if (items[index]?.phase !== 'done') continue;
    const text = bucket.text(LAYOUT.jobKey(job, `stage/segmentation/audio_segments/segment_${index}.wav`));
    const media = JSON.parse(text ?? 'null') as FakeMedia | null;
    // What a person made stays, whatever becomes of its inputs.
    if (media?.task === BY_HAND) continue;
    const isRight = media?.parameters.start_sec === segment.start_sec && media?.read.source_uri === master;
    if (!isRight) faults.push(`segment ${index} of ${job} was not cut from what is there now`);
  }
  return faults;
}

const BY_HAND = 'by hand';

type Act = readonly [says: string, key: string, body: string | null];

function employUsers(world: World): void {
  const { random, schedule, user } = world;
  const put = (job: string, [says, key, body]: Act): void => user(`${says} (${job})`, LAYOUT.jobKey(job, key), body);
  put(DETECTED, ['brings a pipeline', 'pipeline.json', JSON.stringify(DETECTED_PIPELINE)]);
  put(DETECTED, ['brings a master', 'inputs/audio/master.m4a', 'master 1']);
  for (const act of random.chance(0.5) ? [segments(random), master(random)] : [master(random), segments(random)])
    put(BUILT_IN, act);
  const bursts = random.between(1, 4);
  for (let burst = 0; burst < bursts; burst += 1) {
    const job = random.pick(JOBS) ?? BUILT_IN;
    const beganMs = random.between(1_000, TROUBLED_MS - 2 * MINUTE_MS);
    const acts = random.between(1, 4);
    for (let act = 0; act < acts; act += 1) {
      schedule.after(beganMs + random.between(0, 90_000), () => {
        put(job, job === DETECTED ? detectedAct(world) : builtInAct(world));
        if (random.chance(0.2)) askAgain(world, job);
      });
    }
  }
  // Cancelled jobs go on some time later, most of the time.
  schedule.after(random.between(MINUTE_MS, TROUBLED_MS), () => {
    for (const job of JOBS) if (random.chance(0.8)) put(job, ['lets it go on', 'cancel.json', null]);
  });
}

function master(random: Random): Act {
  return ['brings a master', 'inputs/audio/master.m4a', `master ${random.between(1, 3)}`];
}

function segments(random: Random): Act {
  const list = Array.from({ length: random.between(1, 6) }, (_, index) => ({
    start_sec: index * 10 + random.between(0, 1),
    duration_sec: 5,
  }));
  return [`wants ${list.length} segments`, 'stage/segmentation/segments.json', JSON.stringify({ segments: list })];
}

function builtInAct({ random, bucket }: World): Act {
  const count = [...bucket.objects.keys()].filter((key) => key.startsWith('pipelines/job-a/stage/segmentation/audio')).length;
  const some = random.between(0, Math.max(0, count - 1));
  const acts: readonly Act[] = [
    segments(random),
    segments(random),
    master(random),
    ['writes nonsense', 'stage/segmentation/segments.json', '{"segments": ['],
    ['deletes an output', `stage/segmentation/audio_segments/segment_${some}.wav`, null],
    ['puts an output there', `stage/segmentation/audio_segments/segment_${some}.wav`, ownCut(random, bucket, some)],
    ['brings a clip', `stage/clips/segment_${random.between(0, 2)}.mp4`, `clip ${random.between(1, 9)}`],
    ['brings a clip', `stage/clips/segment_${random.between(0, 2)}.mp4`, `clip ${random.between(1, 9)}`],
    ['brings a video', 'inputs/video/source.mp4', `video ${random.between(1, 2)}`],
    ['wants an export', 'stage/encoding/encoding.json', JSON.stringify({ language: 'en', subtitles: random.chance(0.5) })],
    ['brings subtitles', 'inputs/subtitles/en.ass', `subtitles ${random.between(1, 2)}`],
    ['stops it', 'cancel.json', '{}'],
    [
      'wants a video fetched',
      'inputs/sources.json',
      JSON.stringify({
        sources: [{ source_uri: `https://example.com/${random.between(1, 2)}`, dest_key: 'inputs/video/source.mp4' }],
      }),
    ],
  ];
  return random.pick(acts) ?? segments(random);
}

/** A person who makes a segment by hand makes the one that the job wants. */
function ownCut(random: Random, bucket: World['bucket'], index: number): string {
  const manifest = bucket.text('pipelines/job-a/stage/segmentation/segments.json') ?? '';
  const start = /"start_sec":\s*(\d+)/.exec(manifest.split('}')[index] ?? '')?.[1];
  const media: FakeMedia = {
    task: BY_HAND,
    parameters: { start_sec: Number(start) },
    read: { source_uri: bucket.text('pipelines/job-a/inputs/audio/master.m4a') ?? '' },
    noise: random.next(),
  };
  return JSON.stringify(media);
}

function detectedAct({ random }: World): Act {
  const acts: readonly Act[] = [
    ['brings a master', 'inputs/audio/master.m4a', `master ${random.between(1, 4)}`],
    ['deletes the export', 'exports/joined.mp4', null],
    ['deletes the cuts', 'stage/detection/cuts.json', null],
    ['deletes an output', 'stage/segmentation/audio_segments/segment_0.wav', null],
    ['stops it', 'cancel.json', '{}'],
  ];
  return random.pick(acts) ?? ['stops it', 'cancel.json', '{}'];
}

/** Retry: forgets the failures of every item, and wakes the job. */
function askAgain({ bucket, tellRetry }: World, job: string): void {
  for (const key of [...bucket.objects.keys()]) {
    const [, path, attempt] = /^pipelines\/[^/]+\/results\/(.+)\.(\d+)\.(?:failed|succeeded)\.json$/.exec(key) ?? [];
    if (path === undefined || attempt === undefined || !key.startsWith(LAYOUT.jobFolder(job))) continue;
    bucket.put(`${LAYOUT.statePrefix}/retries/${job}/${path}.${attempt}`, '{}');
  }
  tellRetry(job);
}
