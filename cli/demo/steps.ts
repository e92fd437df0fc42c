/** The demo's steps, in their order: media, the parts, the uploads, the watching, the checks. */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { readConfig } from '../../config.ts';
import type { Tools } from '../../handlers/ffmpeg/locate.ts';
import type { Logger } from '../../log.ts';
import type { JobPlanner, PlannedJob } from '../../pipeline/job-plan.ts';
import { jobState } from '../../pipeline/job-state.ts';
import { createPlanner } from '../deployment.ts';
import type { QueueKind } from '../local-queue.ts';
import { type LocalStack, startLocalStack } from '../local-stack.ts';
import { aborted } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { checkOutputs } from './checks.ts';
import { keptLines, nextLines } from './ending.ts';
import { firstUploads, JOBS, KEYS, ORIGIN_NAMES, put, TALK_JOB } from './jobs.ts';
import type { LogFile } from './log-file.ts';
import { createMediaMaker, type DemoMedia, type MediaMaker } from './media.ts';
import { startModel } from './model.ts';
import { type Origin, startOrigin } from './origin.ts';
import { createProgressView } from './progress-view.ts';
import { formatSeconds, outputTable, totalsLine } from './report.ts';
import { countRuns } from './runs.ts';
import { SEGMENTS } from './segments.ts';
import { watchJobs } from './watch.ts';

export interface DemoOptions {
  /** Absolute. Emptied first, where an earlier demo made it. */
  readonly folder: string;
  /** The bucket's; 0 picks free ones. */
  readonly port: number;
  readonly queue: QueueKind;
  readonly workers: number;
  /** Leaves everything running after the checks, until `signal` is aborted. */
  readonly keep: boolean;
  /** Settings of the tools: a demo is not the deployment that the shell may be set up for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C, with the signal's name. */
  readonly signal: AbortSignal;
  /** For everything but what `keep` adds. */
  readonly timeLimitMs: number;
}

/** A demo on its way: what its steps share. */
export interface Demo extends DemoOptions {
  readonly tools: Tools;
  readonly log: Logger;
  readonly logFile: LogFile;
  readonly startedAtMs: number;
  /** Aborted by Ctrl-C, by the time limit, or because a part of the demo has failed. */
  readonly workSignal: AbortSignal;
  readonly giveUp: (reason: unknown) => void;
  /** To be called in reverse at the end. */
  readonly stops: (() => Promise<void>)[];
  /** The last look at the jobs; empty until they are written. */
  looks: readonly PlannedJob[];
}

const TOOL_ORIGINS = { setting: 'FFMPEG_PATH', system: "this machine's", embedded: 'the one that npm carries' } as const;

/** True where every output is right. Throws where the work stops before its end. */
export async function perform(demo: Demo): Promise<boolean> {
  const { tools, folder, workSignal, terminal } = demo;
  terminal.print('Sends two jobs through a whole pipeline on this machine, and checks everything that comes out.');
  terminal.print(terminal.style('dim', `ffmpeg ${tools.version} (${TOOL_ORIGINS[tools.origin]}), data in ${shownPath(folder)}`));
  terminal.print('');

  const directory = join(folder, 'media');
  await mkdir(directory);
  const maker = await createMediaMaker({ tools, directory, signal: workSignal });
  const media = await maker.makeInputs();
  say(demo, 'made a minute of talk and two videos');
  const { stack, origin } = await startParts(demo, media);
  say(demo, `started bucket, queue, consumer, RunPod endpoint and ${demo.workers} workers`);

  const planner = createPlanner(readConfig(stack.environment));
  const fileOf = (job: string, key: string) => join(stack.bucketFolder, planner.layout.jobKey(job, key));
  for (const upload of firstUploads(media, origin.url)) {
    await put(planner, upload, workSignal);
    say(demo, `wrote ${upload.job}/${upload.key}  ${terminal.style('dim', upload.about)}`);
  }
  demo.looks = await work(demo, planner, maker, fileOf);
  const isRight = await report(demo, planner, media, fileOf);
  if (demo.keep) {
    for (const line of keptLines(stack.description, shownPath(folder))) terminal.print(line);
    await aborted(demo.signal);
  }
  return isRight;
}

/** The clock, and what has just been done. */
function say({ terminal, startedAtMs }: Demo, line: string): void {
  terminal.print(`${formatSeconds(Date.now() - startedAtMs).padStart(7)}  ${line}`);
}

async function startParts(demo: Demo, media: DemoMedia): Promise<{ stack: LocalStack; origin: Origin }> {
  const { folder, port, queue, workers, env, log, logFile, stops } = demo;
  const served = [
    [ORIGIN_NAMES.master, media.master],
    [ORIGIN_NAMES.video, media.landscape],
  ] as const;
  const origin = await startOrigin(new Map(served));
  stops.push(() => origin.close());
  const allowHosts = [origin.host];
  const onWorkerLine = (line: string) => logFile.write(line);
  const stack = await startLocalStack({
    dataDir: folder,
    port,
    queue,
    workers,
    consume: true,
    allowHosts,
    env,
    log,
    onWorkerLine,
  });
  stops.push(() => stack.stop());
  demo.workSignal.throwIfAborted();
  return { stack, origin };
}

type FileOf = (job: string, key: string) => string;

/** The pipeline does its part and the model does its own, until there is nothing left to do or something has failed. */
async function work(demo: Demo, planner: JobPlanner, maker: MediaMaker, fileOf: FileOf): Promise<readonly PlannedJob[]> {
  const { terminal, workSignal: signal, startedAtMs } = demo;
  const model = startModel({
    segments: SEGMENTS,
    async makeClip(segment, index) {
      const file = await maker.makeClip(segment, index, fileOf(TALK_JOB, KEYS.segment(index)));
      await put(planner, { job: TALK_JOB, key: KEYS.clip(index), content: { file } }, signal);
    },
    signal,
  });
  terminal.print('');
  const view = createProgressView(terminal, () => formatSeconds(Date.now() - startedAtMs));
  const watching = watchJobs({
    planner,
    jobs: JOBS,
    onLook(looks) {
      demo.looks = looks;
      const plans = looks.map(({ plan }) => plan);
      view.show(plans);
      for (const plan of plans) if (plan.job === TALK_JOB) model.look(plan);
    },
    signal,
  });
  // Either one's failure stops the other; both are waited for, so that nothing runs on unseen.
  model.finished.catch(demo.giveUp);
  watching.then((looks) => looks.every(isDone) || demo.giveUp('A job has failed.'), demo.giveUp);
  const [watched] = await Promise.allSettled([watching, model.finished]);
  signal.throwIfAborted();
  if (watched.status === 'rejected') throw watched.reason;
  return watched.value;
}

/** As a person who stands in this folder would write it. */
function shownPath(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere === '' || fromHere.startsWith('..') ? path : fromHere;
}

const isDone = ({ plan }: PlannedJob): boolean => jobState(plan) === 'done';

async function report(demo: Demo, planner: JobPlanner, media: DemoMedia, fileOf: FileOf): Promise<boolean> {
  const { tools, terminal, startedAtMs, workSignal: signal, looks } = demo;
  const outputs = await checkOutputs({ tools, media, fileOf, signal });
  const reported = outputs.map((output) => {
    const object = looks.find(({ plan }) => plan.job === output.job)?.snapshot.objects.get(output.key);
    return { ...output, readyMs: object === undefined ? undefined : object.lastModifiedMs - startedAtMs };
  });
  terminal.print('');
  for (const line of outputTable(reported, (job) => shownPath(fileOf(job, '')), terminal)) terminal.print(line);
  const items = looks.reduce((sum, look) => sum + itemsOfWorkers(look), 0);
  const runs = await countRuns(planner, JOBS, signal);
  const elapsedMs = Date.now() - startedAtMs;
  terminal.print(totalsLine({ outputs, items, runs, workers: demo.workers, elapsedMs }, terminal));
  for (const line of nextLines(shownPath(fileOf(TALK_JOB, KEYS.output)), terminal)) terminal.print(line);
  return outputs.every(({ isRight }) => isRight);
}

/** Without those that something else made. */
function itemsOfWorkers({ plan, graph }: PlannedJob): number {
  const external = new Set(graph.stages.filter((stage) => stage.external === true).map(({ name }) => name));
  return plan.stages.reduce((sum, { name, items }) => sum + (external.has(name) ? 0 : items.length), 0);
}
