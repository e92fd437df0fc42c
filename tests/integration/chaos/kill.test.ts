/**
 * kill -9 of consumers, workers and the RunPod endpoint, at random, while a job runs. `npm test` kills for half a minute:
 * TEST_KILL_SECONDS=60 (or more) kills for longer, TEST_KILL_SEED chooses the same victims again.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Message, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NOTE_ATTRIBUTES } from '../../../consumers/dead-letter-note.ts';
import { MARK } from '../../../pipeline/facts.ts';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { createRandom } from '../../simulation/random.ts';
import { startMillrace } from '../cli/millrace.ts';
import { eventually, type StackView, viewStack } from '../loop/stack.ts';
import { type BookedRun, type Deployment, readBook, startDeployment } from './deployment.ts';
import { type Kills, killAtRandom, type Started, type Victim } from './killing.ts';

const SEED = Number(process.env.TEST_KILL_SEED ?? Date.now() % 1_000_000);
const KILL_SECONDS = Number(process.env.TEST_KILL_SECONDS ?? 30);
/** Sweeps come once a minute: one settles what the kills left behind, the next takes up what had to wait. */
const QUIET_SECONDS = 150;
const START_SECONDS = 60;
const JOB = 'killed';
const ITEMS = 100;
/** The others come one by one while processes are killed, so that there is work to lose until the end, however fast the machine. */
const ITEMS_AT_ONCE = 20;
const ARRIVING_SHARE = 0.9;

const SAMPLE_RATE = 48_000;
const WAV_HEADER_BYTES = 44;
const STEREO_16_BIT_BYTES = 4;
const SOURCE_SECONDS = 1;

/** Of several lengths, so that a wrong one is seen. */
const segments = Array.from({ length: ITEMS }, (_, index) => ({ start_sec: 0.1, duration_sec: 0.1 + (index % 7) * 0.01 }));
const sourceKey = (index: number): string => `takes/take_${index}.wav`;

const PIPELINE = {
  version: 1,
  stages: {
    cut: {
      manifest: { keys: ['segments.json'], type: 'segments' },
      inputs: { take: { key: 'takes/take_${index}.wav' } },
      for_each: '${manifest.segments}',
      task: 'AUDIO_TRIM',
      parameters: { source_uri: '${inputs.take}', start_sec: '${item.start_sec}', duration_sec: '${item.duration_sec}' },
      output: 'parts/part_${index}.wav',
      // A run whose workers were killed twice has failed: the killer must not spend the whole budget.
      max_attempts: 12,
      retry_delay_sec: 1,
      patience_sec: 5,
    },
  },
};

const CONSUMER_SETTINGS = {
  MILLRACE_SWEEP_SECONDS: '1',
  MILLRACE_VISIBILITY_TIMEOUT_SECONDS: '5',
};

/** A plan is made from a listing, and may be that old when it is carried out on a slow machine. */
const OLD_PLAN_MS = 20_000;

describe(`consumers, workers and the endpoint killed at random for ${KILL_SECONDS} s, seed ${SEED}`, () => {
  let directory: string;
  let deployment: Deployment;
  let view: StackView;
  let kills: Kills;
  let runs: BookedRun[];
  let quietSeconds = 0;
  const running = new Map<Victim, Started>();

  beforeAll(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'millrace-kill-'));
      deployment = await startDeployment(directory);
      view = viewStack(join(directory, 'stack'), deployment.environment);
      const { ffmpeg = 'ffmpeg' } = ALL_TOOLS[0] ?? {};
      const source = await readFile(await makeAudio(ffmpeg, directory, { name: 'take.wav', seconds: SOURCE_SECONDS }));
      await view.put(JOB, 'pipeline.json', JSON.stringify(PIPELINE));
      for (const index of segments.keys()) if (index < ITEMS_AT_ONCE) await view.put(JOB, sourceKey(index), source);
      await view.put(JOB, 'segments.json', JSON.stringify(segments));

      for (const victim of [consumer(), consumer(), worker('worker-1'), worker('worker-2'), endpoint()]) {
        running.set(victim, victim.start());
      }
      const isBegun = () => readBook(directory).some(({ handOuts }) => handOuts > 0);
      await eventually('a worker has a run', isBegun, START_SECONDS);
      const killing = killAtRandom(running, { random: createRandom(SEED), forMs: KILL_SECONDS * 1000 });
      await Promise.all([killing, bringTheOthers(source)]);
      kills = await killing;
      const quietSinceMs = Date.now();
      await view.untilDone(JOB, QUIET_SECONDS);
      await eventually('every message is settled', async () => (await view.waitingMessages()) === 0);
      quietSeconds = Math.round((Date.now() - quietSinceMs) / 1000);
      runs = readBook(directory);
      process.stdout.write(`${report()}\n`);
    },
    (START_SECONDS + KILL_SECONDS + QUIET_SECONDS + START_SECONDS) * 1000,
  );
  afterAll(async () => {
    await Promise.all([...running.values()].map((process) => process.kill()));
    view.close();
    await deployment.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function bringTheOthers(source: Buffer): Promise<void> {
    const everyMs = (KILL_SECONDS * 1000 * ARRIVING_SHARE) / (ITEMS - ITEMS_AT_ONCE);
    for (let index = ITEMS_AT_ONCE; index < ITEMS; index += 1) {
      await view.put(JOB, sourceKey(index), source);
      await sleep(everyMs);
    }
  }

  const consumer = (): Victim => ({
    kind: 'consumer',
    start() {
      const env = { ...deployment.environment, ...CONSUMER_SETTINGS };
      const command = startMillrace(['consume'], { cwd: directory, env });
      return { ready: command.stderrLine('consuming'), kill: () => command.end('SIGKILL') };
    },
  });
  const worker = (workerId: string): Victim => ({
    kind: 'worker',
    start() {
      const env = { ...deployment.workerEnvironment(workerId), MILLRACE_WORK_DIR: directory };
      const command = startMillrace(['worker'], { cwd: directory, env });
      return { ready: command.stderrLine('A job was taken'), kill: () => command.end('SIGKILL') };
    },
  });
  const endpoint = (): Victim => {
    let process = deployment.endpoint;
    return {
      kind: 'endpoint',
      start() {
        if (process.child.signalCode !== null) process = deployment.startEndpoint();
        return { ready: process.firstLine, kill: process.kill };
      },
    };
  };

  const itemsOf = () => runs.flatMap(({ createdMs, attempts }) => attempts.map((attempt) => ({ createdMs, ...attempt })));
  const results = async () => (await view.keys(JOB)).filter((key) => key.startsWith('results/'));

  function report(): string {
    const killed = Object.entries(kills).map(([kind, count]) => `${kind} ${count}`);
    const doubles = itemsOf().length - new Set(itemsOf().map(({ item }) => item)).size;
    const handedOutAgain = runs.filter(({ handOuts }) => handOuts > 1).length;
    return [
      `seed ${SEED}, kills in ${KILL_SECONDS} s: ${killed.join(', ')}; done and quiet ${quietSeconds} s later;`,
      `${ITEMS} items in ${runs.length} runs: ${doubles} double runs, and ${handedOutAgain} runs that were handed out again`,
    ].join(' ');
  }

  it('killed some of each kind', () => {
    expect(Object.keys(kills).sort()).toEqual(['consumer', 'endpoint', 'worker']);
  });

  it('makes every output, exact to the sample, with the mark of its wanted fingerprint', async () => {
    const { store, layout } = view.planner;
    const items = (await view.plan(JOB)).stages.flatMap((stage) => stage.items);
    const made = await Promise.all(items.map(({ outputKey }) => store.head(layout.jobKey(JOB, outputKey))));
    expect(made.map((head) => head?.metadata[MARK])).toEqual(items.map(({ fingerprint }) => fingerprint));
    expect(made.map((head) => head?.sizeBytes)).toEqual(
      segments.map((segment) => WAV_HEADER_BYTES + Math.round(segment.duration_sec * SAMPLE_RATE) * STEREO_16_BIT_BYTES),
    );
  });

  it('has no attempt in two runs, and none that was dispatched before the last one had ended', async () => {
    const names = itemsOf().map(({ item, attempt }) => `${item}.${attempt}`);
    expect([...new Set(names)].length).toBe(names.length);
    const ended = await results();
    const predecessors = itemsOf().filter(({ attempt }) => attempt > 1);
    for (const { stage, item, fingerprint, attempt } of predecessors) {
      expect(ended.filter((key) => key.startsWith(`results/${stage}/${item}/${fingerprint}.${attempt - 1}.`))).not.toEqual([]);
    }
  });

  it('dispatched nothing that was up to date', async () => {
    const { store, layout } = view.planner;
    const prefix = `${layout.jobFolder(JOB)}results/`;
    const succeededMs = new Map<string, number>();
    for (const { key, lastModifiedMs } of (await Array.fromAsync(store.list(prefix))).flat()) {
      const item = key.slice(prefix.length).split('/')[1] ?? '';
      if (!key.endsWith('.succeeded.json')) continue;
      succeededMs.set(item, Math.min(lastModifiedMs, succeededMs.get(item) ?? lastModifiedMs));
    }
    expect(succeededMs.size).toBe(ITEMS);
    const late = itemsOf().filter(({ item, createdMs }) => createdMs > (succeededMs.get(item) ?? 0) + OLD_PLAN_MS);
    expect(late).toEqual([]);
  });

  it('gives up no message but those whose consumer was killed every time that they were received', async () => {
    const codes = (await takeDeadLetters()).map(
      ({ MessageAttributes }) => MessageAttributes?.[NOTE_ATTRIBUTES.code]?.StringValue,
    );
    expect(codes.filter((code) => code !== undefined)).toEqual([]);
  });

  async function takeDeadLetters(): Promise<Message[]> {
    const QueueUrl = deployment.environment.MILLRACE_DEAD_LETTER_QUEUE_URL;
    const request = { QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'], VisibilityTimeout: 600 };
    const letters: Message[] = [];
    for (;;) {
      const { Messages: received = [] } = await view.sqs.send(new ReceiveMessageCommand(request));
      if (received.length === 0) return letters;
      letters.push(...received);
    }
  }

  it('does nothing more when it is looked at again', async () => {
    const before = await results();
    const notification = {
      Records: [
        {
          ...{ eventVersion: '2.1', eventSource: 'aws:s3', awsRegion: 'us-east-1', eventName: 'ObjectCreated:Put' },
          eventTime: new Date().toISOString(),
          s3: { bucket: { name: 'videos' }, object: { key: view.planner.layout.jobKey(JOB, 'segments.json'), size: 1 } },
        },
      ],
    };
    const QueueUrl = deployment.environment.MILLRACE_QUEUE_URL;
    await view.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(notification) }));
    await eventually('the event is settled', async () => (await view.waitingMessages()) === 0);
    expect(readBook(directory).length).toBe(runs.length);
    expect(await results()).toEqual(before);
  });
});
