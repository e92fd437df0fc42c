/**
 * Presigned URLs are keys. Tasks of every kind, well and badly ended, are run with signatures that are canaries; nothing that the worker
 * prints, answers, writes, or gives to ffmpeg may hold one.
 */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../handlers/ffmpeg/locate.ts';
import type { TaskRunner } from '../../handlers/run-task.ts';
import type { TaskAnswer } from '../../handlers/task.ts';
import { answerBody } from '../../runpod/answer.ts';
import { makeAudio, makeVideo } from '../media/generate.ts';
import { ALL_TOOLS } from '../media/tools.ts';
import { runContext, startBench, type TaskBench } from './handlers/task-bench.ts';
import { shown } from './hostile/canary.ts';

/** In every form that it could be shown in. */
const SIGNATURE = 'c4n4ry+s1gnature/of=inputs';
const FORMS = [SIGNATURE, encodeURIComponent(SIGNATURE), 'c4n4ry', '0123456789abcdef-do-not-print', 'p4ssw0rd'];

const [TOOLS] = ALL_TOOLS;

describe.skipIf(TOOLS === undefined)('secrets', () => {
  let bench: TaskBench;
  let runner: TaskRunner;
  let argvFile: string;
  const answers: TaskAnswer[] = [];

  beforeAll(async () => {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    bench = await startBench(TOOLS);
    argvFile = join(bench.directory, 'argv');
    await writeFile(argvFile, '');
    runner = bench.runnerWith({
      tools: { ...TOOLS, ffmpeg: await recorded(TOOLS, 'ffmpeg'), ffprobe: await recorded(TOOLS, 'ffprobe') },
    });
    const { ffmpeg } = TOOLS;
    const files = {
      video: await makeVideo(ffmpeg, bench.directory, { name: 'v.mp4', width: 320, height: 180, seconds: 1 }),
      wav: await makeAudio(ffmpeg, bench.directory, { name: 'a.wav', seconds: 2 }),
      mp3: await makeAudio(ffmpeg, bench.directory, { name: 'a.mp3', seconds: 2 }),
      text: await written('t.ass', 'no media\n'),
      subtitles: await written('s.srt', '1\n00:00:00,000 --> 00:00:01,000\nhello\n'),
    };
    await runAll(files);
  });
  afterAll(() => bench.close());

  async function written(name: string, text: string): Promise<string> {
    const file = join(bench.directory, name);
    await writeFile(file, text);
    return file;
  }

  /** The program itself, behind a script that writes down what it was started with. */
  async function recorded(tools: Tools, program: 'ffmpeg' | 'ffprobe'): Promise<string> {
    const script = await written(
      `recorded-${program}`,
      `#!/bin/sh\n{ printf '%s\\t' ${program} "$@"; printf '\\n'; } >> '${argvFile}'\nenv >> '${argvFile}.env'\nexec '${tools[program]}' "$@"\n`,
    );
    await chmod(script, 0o700);
    return script;
  }

  const signed = (url: string) =>
    `${url}&X-Amz-Credential=p4ssw0rd&X-Amz-Signature=${encodeURIComponent(SIGNATURE)}&X-Amz-Expires=604800&X-Amz-Date=20991231T000000Z`;
  const source = (file: string, options = {}) => signed(bench.serve(file, options));
  const output = (name: string) => signed(bench.sink.url(name));

  async function run(task: string, parameters: Record<string, unknown>, item: string, signal = new AbortController().signal) {
    const context = runContext(bench, item);
    const millrace = {
      ...context,
      succeeded_put_url: signed(context.succeeded_put_url),
      failed_put_url: signed(context.failed_put_url),
    };
    const scope = { requestId: item, signal, progress: () => undefined, log: bench.logger };
    const answer = await runner.run({ task, parameters: { ...parameters, millrace } }, scope);
    answers.push(answer);
    return answer;
  }

  async function runAll({ video, wav, mp3, text, subtitles }: Record<'video' | 'wav' | 'mp3' | 'text' | 'subtitles', string>) {
    const cut = { start_sec: 0.5, duration_sec: 0.5, output_put_url: output('cut.wav') };
    const encoding = { id: 'v', language: 'en', subtitles: true, input_audio_uri: source(wav), output_put_url: output('e.mp4') };
    const small = { resolution: 144, output_put_url: output('d.mp4') };
    const [refused, expired, broken] = ['refused.bin', 'expired.bin', 'broken.bin'];
    bench.sink.refusals.set(refused, [{ status: 403, body: `<Code>AccessDenied</Code>${SIGNATURE}` }]);
    bench.sink.refusals.set(expired, [{ status: 403, body: `<Message>Request has expired</Message>${SIGNATURE}` }]);
    bench.sink.refusals.set(
      broken,
      Array.from({ length: 9 }, () => ({ status: 500, body: SIGNATURE })),
    );
    bench.sink.refusals.set('no-result.failed.json', [{ status: 403, body: SIGNATURE }]);
    const faulty = (status: number, headers: Record<string, string> = {}) => {
      const url = bench.serve(video);
      bench.origin.faults.set(decodeURIComponent(new URL(url).pathname.slice(1)), (request, response) => {
        response.writeHead(status, headers).end(`<Message>${request.url}</Message>`);
        return true;
      });
      return signed(url);
    };

    await run('AUDIO_TRIM', { source_uri: source(wav), ...cut }, 'wav');
    await run('AUDIO_TRIM', { source_uri: source(mp3), ...cut }, 'mp3');
    await run('AUDIO_TRIM', { source_uri: source(mp3, { ranges: false, length: false }), ...cut }, 'spooled');
    await run('AUDIO_TRIM', { source_uri: source(mp3), ...cut, start_sec: 99 }, 'too-short');
    await run(
      'AUDIO_TRIM',
      {
        segments: [
          { source_uri: source(text), ...cut },
          { source_uri: source(wav), ...cut },
        ],
      },
      'batch',
    );
    await run('DOWNSAMPLING', { original_video_uri: source(video), ...small }, 'small');
    await run('DOWNSAMPLING', { original_video_uri: source(text), ...small }, 'no-media');
    for (const status of [400, 403, 404, 412, 416, 500]) {
      await run('DOWNSAMPLING', { original_video_uri: faulty(status), ...small }, `status-${status}`);
    }
    const inner = `http://169.254.169.254/?token=${SIGNATURE}`;
    await run('STAGE_OBJECT', { source_uri: faulty(302, { location: inner }), output_put_url: output('r') }, 'redirect');
    await run(
      'STAGE_OBJECT',
      { source_uri: `https://u:p4ssw0rd@example.com/?${SIGNATURE}`, output_put_url: output('r') },
      'user',
    );
    await run('STAGE_OBJECT', { source_uri: signed('http://127.0.0.1:1/x?a=b'), output_put_url: output('r') }, 'nobody');
    for (const name of [refused, expired, broken]) {
      await run('STAGE_OBJECT', { source_uri: source(wav), output_put_url: output(name) }, name);
    }
    await run('STAGE_OBJECT', { source_uri: source(wav), output_put_url: output('ok.bin') }, 'staged');
    await run('STAGE_OBJECT', { source_uri: 7, output_put_url: output('x'), dest_uri: signed('s3://a/b?c') }, 'wrong');
    await run('DOWNSAMPLING', { original_video_uri: source(text), ...small }, 'no-result');
    await run('ENCODING', { ...encoding, input_video_uri: source(video), subtitles_uri: source(subtitles) }, 'encoded');
    await run('ENCODING', { ...encoding, input_video_uri: source(video), subtitles_uri: source(text) }, 'no-subtitles');
    const segment_urls = [source(video), source(video)];
    await run('CONCATENATION', { segment_urls, output_put_url: output('joined.mp4') }, 'joined');
    await run(signed('https://example.com/?'), {}, 'unknown');
    await run('DOWNSAMPLING', { original_video_uri: source(video), ...small }, 'stopped', AbortSignal.abort());
  }

  const holding = (texts: readonly string[]) => texts.filter((text) => FORMS.some((form) => text.includes(form)));

  it('were at risk in tasks that ended in all ways', () => {
    const kinds = answers.map((answer) => (answer.kind === 'failed' ? answer.error.code : answer.kind));
    expect([...new Set(kinds)].sort()).toEqual(
      [
        ...['CANCELLED', 'DESTINATION_REFUSED', 'DESTINATION_UNREACHABLE', 'INPUT_INVALID', 'INPUT_TOO_SHORT'],
        ...['PARAMETERS_INVALID', 'PRESIGNED_URL_EXPIRED', 'SOURCE_CHANGED', 'SOURCE_FORBIDDEN', 'SOURCE_MISSING'],
        ...['SOURCE_REFUSED', 'SOURCE_UNREACHABLE', 'TASK_UNKNOWN', 'URI_INVALID', 'succeeded'],
      ]
        .map((kind) => (kind === 'CANCELLED' ? 'cancelled' : kind))
        .sort(),
    );
    expect(kinds.filter((kind) => kind === 'succeeded').length).toBeGreaterThanOrEqual(7);
  });

  it('are in no line of the log', () => {
    expect(bench.lines.length).toBeGreaterThan(30);
    expect(holding(bench.lines)).toEqual([]);
  });

  it('are in no answer, as a value or as it is posted to RunPod', () => {
    expect(holding(answers.map(shown))).toEqual([]);
    expect(holding(answers.map((answer) => answerBody(answer)))).toEqual([]);
  });

  it('are in no result', () => {
    const results = [...bench.sink.taken].filter(([name]) => name.endsWith('.json')).map(([, { body }]) => body.toString('utf8'));
    expect(results.length).toBeGreaterThan(20);
    expect(holding(results)).toEqual([]);
  });

  it('are in no argument and no variable of ffmpeg, which sees only loopback and files of its own', async () => {
    const argv = (await readFile(argvFile, 'utf8')).trim().split('\n');
    expect(argv.length).toBeGreaterThan(20);
    expect(holding(argv)).toEqual([]);
    expect(holding([await readFile(`${argvFile}.env`, 'utf8')])).toEqual([]);
    expect(argv.filter((line) => line.includes(bench.origin.host) || line.includes(bench.sink.host))).toEqual([]);
    const addresses = argv.flatMap((line) => line.match(/[a-z]+:\/\/[^\s/]*/g) ?? []);
    expect(addresses.length).toBeGreaterThan(10);
    expect(addresses.filter((address) => !/^http:\/\/127\.0\.0\.1:\d+$/.test(address))).toEqual([]);
  });

  it('and every input of ffmpeg stands behind its own list of formats and protocols', async () => {
    const argv = (await readFile(argvFile, 'utf8')).trim().split('\n');
    const unguarded = argv.flatMap((line) => {
      const words = line.split('\t');
      const inputs = words.flatMap((word, index) => (word === '-i' ? [index] : []));
      return inputs.flatMap((at, number) => {
        const before = words.slice(number === 0 ? 0 : (inputs[number - 1] ?? 0) + 1, at);
        // Sources that ffmpeg makes up, and the clip that the worker makes at its start to try its decoders with.
        const isTrial = words[at + 1]?.includes('/millrace-proof-') === true;
        const isMade = isTrial || (before.includes('-f') && before[before.lastIndexOf('-f') + 1] === 'lavfi');
        const isGuarded = before.includes('-format_whitelist') && before.includes('-protocol_whitelist');
        return isMade || isGuarded ? [] : [line];
      });
    });
    expect(unguarded).toEqual([]);
  });
});
