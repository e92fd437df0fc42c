import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { attemptOf, eventually, startTestStack, type TestStack } from './stack.ts';

const JOB = 'any-order';
const MANIFESTS = ['segments.json', 'stage/encoding/encoding.json'];

/** Two of which a stage needs both come in either order, and once a clip comes after everything else. */
const ORDERS = [
  { what: 'media first, manifests last', first: (key: string) => !MANIFESTS.includes(key) },
  { what: 'manifests first, media last', first: (key: string) => MANIFESTS.includes(key) },
  {
    what: 'the final stage first, a clip last',
    first: (key: string) => key.startsWith('stage/encoding/') || key.includes('subtitles'),
  },
];

describe('a job whose files come in any order', () => {
  let directory: string;
  let stack: TestStack;
  const files = new Map<string, Buffer>();
  const ends: { outputs: string[]; attempts: string[] }[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-order-'));
    const ffmpeg = ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg';
    files.set('inputs/audio/master.wav', await readFile(await makeAudio(ffmpeg, directory, { name: 'master.wav', seconds: 2 })));
    files.set(
      'inputs/subtitles/en.ass',
      Buffer.from(
        // The styles are there because an old libass reads no file without them.
        '[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,DejaVu Sans,20\n\n' +
          '[Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: 0,0:00:00.00,0:00:01.00,Default,MILLRACE\n',
      ),
    );
    files.set('segments.json', Buffer.from(JSON.stringify([0, 1].map((start) => ({ start_sec: start, duration_sec: 1 })))));
    files.set('stage/encoding/encoding.json', Buffer.from(JSON.stringify({ language: 'en', subtitles: true })));
    for (const index of [0, 1]) {
      const clip = await makeVideo(ffmpeg, directory, { name: `clip-${index}.mp4`, width: 160, height: 90, seconds: 0.5 });
      files.set(`stage/clips/segment_${index}.mp4`, await readFile(clip));
    }
    stack = await startTestStack();
    for (const { first } of ORDERS) {
      const keys = [...files.keys()];
      for (const key of [...keys.filter(first), ...keys.filter((each) => !first(each))]) {
        await stack.put(JOB, key, files.get(key) ?? '');
        await eventually('the job has been looked at', async () => (await stack.waitingMessages()) === 0);
      }
      await stack.until(JOB, (plan) => plan.stages.find(({ name }) => name === 'encoding')?.items[0]?.phase === 'done');
      await stack.untilDone(JOB);
      await eventually('all events are settled', async () => (await stack.waitingMessages()) === 0);
      const outputs = (await stack.objects(`pipelines/${JOB}/`)).filter((line) => !line.includes('/results/'));
      const attempts = (await stack.keys(JOB)).filter((key) => key.startsWith('results/'));
      ends.push({ outputs: outputs.map((line) => line.replace(/ \d+$/, '')), attempts });
      await forget();
    }
  });
  afterAll(async () => {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /**
   * As if the job had never been. What people wrote goes first, so that nothing is made again; then claims, which would
   * else be open once their results are gone.
   */
  async function forget(): Promise<void> {
    const { store, layout } = stack.planner;
    for (const key of files.keys()) await store.delete(layout.jobKey(JOB, key));
    const state = await stack.objects('pipelines-state/');
    const folder = await stack.objects(layout.jobFolder(JOB));
    for (const line of [...state.filter((each) => each.includes(`/${JOB}/`)), ...folder])
      await store.delete(line.slice(0, line.indexOf(' ')));
    await eventually('all events are settled', async () => (await stack.waitingMessages()) === 0);
  }

  it.each(ORDERS.map((order, index) => ({ ...order, index })))('ends the same: $what', ({ index }) => {
    expect(ends[index]?.outputs).toHaveLength(files.size + 4);
    // Keys and ETags: the same bytes. Result keys hold the fingerprints.
    expect(ends[index]?.outputs).toEqual(ends[0]?.outputs);
    expect(ends[index]?.attempts).toEqual(ends[0]?.attempts);
  });

  it('runs each item once for each order', () => {
    const dispatched = stack.dispatched(JOB).map(attemptOf);
    expect(dispatched).toHaveLength(ORDERS.length * 4);
    expect(new Set(dispatched).size).toBe(4);
  });
});
