/** Runs every pipeline of docs/cookbook.md, as it stands there, with real media on the local stack. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startConsumer } from '../../../cli/consumer-process.ts';
import { readConfig } from '../../../config.ts';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { type LocalEndpoint, startEndpoint } from '../../../local/endpoint/endpoint.ts';
import { createLogger, silentLogger } from '../../../log.ts';
import { parseWorkerEnvironment, runWorker } from '../../../runpod/worker.ts';
import { mediaOf } from '../../media/bitstream.ts';
import { ffmpeg, makeAudio, makeVideo } from '../../media/generate.ts';
import { type Origin, startOrigin } from '../../media/origin.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { type StackView, startTestStack, type TestStack, viewStack } from '../loop/stack.ts';
import { codeBlocksOf } from './code-blocks.ts';

const tools = requireTools();

const FOREIGN_ENDPOINT = 'talking-head';

/** The model's own program: an image and a sound become a video, uploaded where it was told to. */
const ModelInput = z.strictObject({ image_url: z.url(), audio_url: z.url(), upload_url: z.url() });

/** Each recipe's documents, by the key where they go. */
const recipes = Map.groupBy(
  codeBlocksOf('docs/cookbook.md').filter(({ info }) => info.startsWith('json ')),
  ({ heading }) => heading,
);

describe('the pipelines of the cookbook', () => {
  let directory: string;
  let stack: TestStack;
  /** Plans with the settings of the consumer, which name the model's endpoint. */
  let view: StackView;
  let origin: Origin;
  let model: LocalEndpoint;
  const stops: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-cookbook-'));
    origin = await startOrigin();
    stack = await startTestStack({ consume: false, allowHosts: [origin.host] });
    const { apiKey } = stack.stack.description.runpod;
    model = await startEndpoint({
      dataDir: join(directory, 'model'),
      port: 0,
      apiKey,
      log: silentLogger,
      endpointIds: [FOREIGN_ENDPOINT],
    });
    const stopModel = new AbortController();
    const modelEnded = runModel(stopModel.signal);
    const log = createLogger({
      level: 'debug',
      name: 'cookbook',
      stream: { write: (line) => void stack.lines.push(line.trimEnd()) },
    });
    const settings = {
      ...stack.environment,
      MILLRACE_ENDPOINTS: `${FOREIGN_ENDPOINT}=${model.runUrl}`,
      HTTP_ALLOW_HOSTS: origin.host,
    };
    view = viewStack(join(stack.stack.bucketFolder, '..', '..'), settings, () => stack.lines.slice(-20).join('\n'));
    stops.push(async () => view.close());
    const consumer = await startConsumer(readConfig(settings), log, { waitTimeSeconds: 1 });
    stops.push(() => consumer.stop());
    stops.push(async () => {
      stopModel.abort();
      await modelEnded;
    });
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
    await model.close();
    await stack.stop();
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Serves the foreign endpoint as a container of somebody else's would. */
  function runModel(signal: AbortSignal): Promise<unknown> {
    let clips = 0;
    return runWorker({
      environment: parseWorkerEnvironment(model.workerEnvironment('model')),
      concurrency: 1,
      log: silentLogger,
      signal,
      async run(input) {
        const { image_url: image, audio_url: audio, upload_url: upload } = ModelInput.parse(input);
        clips += 1;
        const files = {
          image: join(directory, `${clips}.png`),
          audio: join(directory, `${clips}.wav`),
          clip: join(directory, `${clips}.mp4`),
        };
        await writeFile(files.image, Buffer.from(await (await fetch(image)).arrayBuffer()));
        await writeFile(files.audio, Buffer.from(await (await fetch(audio)).arrayBuffer()));
        const { durationSeconds: seconds } = await mediaOf(tools, files.audio);
        const picture = ['-loop', '1', '-t', String(seconds), '-i', files.image];
        await ffmpeg(tools.ffmpeg, [...picture, '-i', files.audio, '-r', '25', '-pix_fmt', 'yuv420p', files.clip]);
        const answer = await fetch(upload, { method: 'PUT', body: await readFile(files.clip) });
        if (!answer.ok) throw new Error(`the upload was refused: ${answer.status}`);
        return { kind: 'succeeded', output: { statusCode: 200, body: 'a clip' } };
      },
    });
  }

  /** Writes a recipe's documents and the inputs that go with them, waits, and answers what its exports are. */
  async function run(heading: string, job: string, inputs: Readonly<Record<string, string>>, alter = (text: string) => text) {
    const documents = recipes.get(heading) ?? [];
    expect(documents.length, `documents under "${heading}"`).toBeGreaterThan(1);
    for (const [key, file] of Object.entries(inputs)) await stack.put(job, key, await readFile(file));
    for (const { info, text } of documents) {
      const name = info.replace(/^json /, '');
      await stack.put(job, name === 'pipeline' ? 'pipeline.json' : name, alter(text));
    }
    await view.untilDone(job, 90);
    const exports = (await stack.keys(job)).filter((key) => key.startsWith('exports/')).sort();
    return Promise.all(
      exports.map(async (key) => {
        const file = join(directory, `${job}-${key.replaceAll('/', '-')}`);
        await writeFile(file, await stack.read(job, key));
        const { durationSeconds, video, audio } = await mediaOf(tools, file);
        return { key, seconds: durationSeconds, height: video?.height, hasSound: audio !== undefined };
      }),
    );
  }

  const video = (name: string, seconds: number, height = 360) =>
    makeVideo(tools.ffmpeg, directory, { name, width: (height * 16) / 9, height, seconds });
  const audio = (name: string, seconds: number) => makeAudio(tools.ffmpeg, directory, { name, seconds });

  it('are five, each run below', () => {
    expect([...recipes.keys()]).toEqual([
      'A rendition ladder',
      'A podcast in chapters with names',
      'A talk in several languages',
      'Parts from elsewhere, joined',
      'A model of your own makes the clips',
    ]);
  });

  it('a rendition ladder scales down, and never up', async () => {
    const made = await run('A rendition ladder', 'ladder', { 'inputs/video/source.mp4': await video('ladder.mp4', 1) });
    expect(made).toMatchObject([
      { key: 'exports/high.mp4', height: 360 },
      { key: 'exports/low.mp4', height: 240 },
    ]);
  });

  it('a podcast becomes a file for each chapter, by its name', async () => {
    const made = await run('A podcast in chapters with names', 'chapters', {
      'inputs/audio/master.flac': await audio('pod.flac', 2.5),
    });
    expect(made).toMatchObject([
      { key: 'exports/interview.wav', seconds: 1.25, hasSound: true },
      { key: 'exports/opening.wav', seconds: 0.75, hasSound: true },
    ]);
  });

  it('a talk becomes a video for each language, with its own sound and subtitles', async () => {
    const subtitles = join(directory, 'subtitles.ass');
    await writeFile(subtitles, SUBTITLES);
    const made = await run('A talk in several languages', 'languages', {
      'inputs/video/source.mp4': await video('talk.mp4', 2),
      'inputs/audio/en.m4a': await audio('en.m4a', 2),
      'inputs/audio/pt-BR.m4a': await audio('pt.m4a', 1.5),
      'inputs/subtitles/en.ass': subtitles,
      'inputs/subtitles/pt-BR.ass': subtitles,
    });
    expect(made).toMatchObject([
      { key: 'exports/talk_en.mp4', height: 360, hasSound: true },
      { key: 'exports/talk_pt-BR.mp4', height: 360, hasSound: true },
    ]);
  });

  it('parts from elsewhere become one, in the order of the manifest', async () => {
    origin.files.set('take-7.mp4', { file: await video('take-7.mp4', 1, 180) });
    origin.files.set('take-3.mp4', { file: await video('take-3.mp4', 1.5, 180) });
    const here = (text: string) =>
      text.replaceAll(/https:\/\/media\.example\.com\/takes\/([^"]+)/g, (_, name) => origin.url(name));
    const made = await run('Parts from elsewhere, joined', 'joined', {}, here);
    expect(made).toMatchObject([
      { key: 'exports/preview.mp4', height: 144 },
      { key: 'exports/whole.mp4', height: 180 },
    ]);
    for (const { seconds } of made) expect(seconds).toBeCloseTo(2.5, 1);
  });

  it('a model on an endpoint of its own makes a clip for each segment, and they are joined', async () => {
    const presenter = join(directory, 'presenter.png');
    await ffmpeg(tools.ffmpeg, ['-f', 'lavfi', '-i', 'testsrc2=s=160x90', '-frames:v', '1', presenter]);
    const made = await run('A model of your own makes the clips', 'model', {
      'inputs/image/presenter.png': presenter,
      'inputs/audio/master.wav': await audio('model.wav', 2),
    });
    expect(made).toMatchObject([{ key: 'exports/output.mp4', height: 90, hasSound: true }]);
    expect(made[0]?.seconds).toBeCloseTo(2, 0);
  });
});

function requireTools(): Tools {
  const [first] = ALL_TOOLS;
  if (first === undefined) throw new Error('There is no ffmpeg: not even the embedded one.');
  return first;
}

const SUBTITLES = `[Script Info]
ScriptType: v4.00+
PlayResX: 640
PlayResY: 360

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,DejaVu Sans,30,&H00FFFFFF,2

[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:00.00,0:00:02.00,Default,MILLRACE
`;
