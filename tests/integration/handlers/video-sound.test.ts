import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { silentLogger } from '../../../log.ts';
import { mediaOf } from '../../media/bitstream.ts';
import { ffmpeg, makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { failed, startBench, succeeded, type TaskBench } from './task-bench.ts';

describe.each(ALL_TOOLS)('the sound of videos with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  /** Its sound is MP3, which is not copied. */
  let uncopied: string;
  let aac: string;
  let voice: string;

  beforeAll(async () => {
    bench = await startBench(tools);
    const spec = { width: 320, height: 180, seconds: 2 };
    aac = await makeVideo(tools.ffmpeg, bench.directory, { name: 'aac.mp4', ...spec });
    uncopied = join(bench.directory, 'mp3.mp4');
    await ffmpeg(tools.ffmpeg, ['-i', aac, '-c:v', 'copy', '-c:a', 'libmp3lame', uncopied]);
    voice = await makeAudio(tools.ffmpeg, bench.directory, { name: 'voice.wav', seconds: 3 });
  });
  afterAll(() => bench.close());

  /** The real program, but for arguments that `edits` rewrites: lines of a shell's `case`, which sees "previous argument". */
  async function runnerThat(name: string, edits: string): Promise<TaskBench['runner']> {
    const program = join(bench.directory, name);
    const loop = `for arg; do case "$last $arg" in ${edits} esac; set -- "$@" "$arg"; shift; last=$arg; done`;
    await writeFile(program, `#!/bin/sh\nlast=\n${loop}\nexec '${tools.ffmpeg}' "$@"\n`);
    await chmod(program, 0o700);
    return bench.runnerWith({ tools: { ...tools, ffmpeg: program } });
  }

  const run = (runner: TaskBench['runner'], task: string, parameters: Record<string, unknown>) =>
    runner.run(
      { task, parameters },
      { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger },
    );

  const parametersOf = (task: string, name: string) => {
    const output_put_url = bench.sink.url(name);
    if (task === 'DOWNSAMPLING') return { original_video_uri: bench.serve(uncopied), resolution: 144, output_put_url };
    if (task === 'CONCATENATION') return { segment_urls: [bench.serve(aac), bench.serve(aac)], output_put_url };
    const inputs = { input_video_uri: bench.serve(aac), input_audio_uri: bench.serve(voice) };
    return { id: 'v', language: 'en', subtitles: false, ...inputs, output_put_url };
  };

  it.each(['DOWNSAMPLING', 'ENCODING', 'CONCATENATION'])('%s uploads no silence where the sound was loud', async (task) => {
    const name = `${task}.mp4`;
    // Muted behind the measurement: what enters is heard, what is encoded is not.
    const muting = await runnerThat(`mute-${task}`, '*file=sound-entered.level) arg="$arg,volume=0" ;;');

    const error = failed(await run(muting, task, parametersOf(task, name)));

    expect(error).toMatchObject({ code: 'OUTPUT_INVALID', message: expect.stringContaining('dBFS') });
    expect(bench.sink.taken.has(name)).toBe(false);
    succeeded(await run(bench.runner, task, parametersOf(task, name)));
    expect(bench.sink.taken.has(name)).toBe(true);
  });

  it.each(['DOWNSAMPLING', 'ENCODING', 'CONCATENATION'])('%s uploads no sound that breaks off', async (task) => {
    const name = `short-${task}.mp4`;
    const cutting = await runnerThat(`cut-${task}`, '*file=sound-entered.level) arg="$arg,atrim=end=0.7" ;;');

    const error = failed(await run(cutting, task, parametersOf(task, name)));

    expect(error).toMatchObject({ code: 'OUTPUT_INVALID', message: expect.stringContaining('sound lasts 0.') });
    expect(bench.sink.taken.has(name)).toBe(false);
  });

  it('uploads no copy that lost packets of sound', async () => {
    const losing = await runnerThat('lose', '"-c:a copy") set -- "$@" copy -bsf:a ; arg=noise=dropamount=2 ;;');
    const parameters = { original_video_uri: bench.serve(aac), resolution: 144, output_put_url: bench.sink.url('lost.mp4') };

    const error = failed(await run(losing, 'DOWNSAMPLING', parameters));

    expect(error).toMatchObject({ code: 'OUTPUT_INVALID', message: expect.stringMatching(/packets|sound lasts/) });
    expect(bench.sink.taken.has('lost.mp4')).toBe(false);
    succeeded(await run(bench.runner, 'DOWNSAMPLING', parameters));
  });

  it.each(['144', '720'])('takes a source that was trimmed by an edit list, at %sp', async (resolution) => {
    const source = join(bench.directory, 'trimmed.mp4');
    await ffmpeg(tools.ffmpeg, ['-ss', '0.7', '-i', aac, '-c', 'copy', source]);
    const name = `trimmed-${resolution}.mp4`;
    const parameters = { original_video_uri: bench.serve(source), resolution, output_put_url: bench.sink.url(name) };

    succeeded(await bench.run('DOWNSAMPLING', parameters));
  });

  it.each([
    { what: 'begins late', input: ['-itsoffset', '0.6'], codec: ['-c:a', 'libmp3lame'] },
    { what: 'begins late and is copied', input: ['-itsoffset', '0.6'], codec: ['-c:a', 'aac'] },
    { what: 'ends early', input: ['-t', '0.8'], codec: ['-c:a', 'libmp3lame'] },
    { what: 'is silent', input: [], codec: ['-af', 'volume=0', '-c:a', 'libmp3lame'] },
    { what: 'has one channel at a low rate', input: [], codec: ['-ac', '1', '-ar', '16000', '-c:a', 'libmp3lame'] },
    { what: 'has six channels', input: [], codec: ['-ac', '6', '-c:a', 'ac3'] },
  ])('takes a source whose sound $what', async ({ what, input, codec }) => {
    const source = join(bench.directory, `${what}.mp4`);
    const streams = ['-map', '0:v', '-map', '1:a', '-c:v', 'copy', ...codec, '-t', '2', source];
    await ffmpeg(tools.ffmpeg, ['-i', aac, ...input, '-i', voice, ...streams]);
    const name = `${what}.mp4`.replaceAll(' ', '-');
    const parameters = { original_video_uri: bench.serve(source), resolution: 144, output_put_url: bench.sink.url(name) };

    succeeded(await bench.run('DOWNSAMPLING', parameters));

    expect((await mediaOf(tools, await bench.takenFile(name))).audio).toMatchObject({ codec: 'aac' });
  });
});
