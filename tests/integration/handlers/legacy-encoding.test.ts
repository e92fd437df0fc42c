/** ENCODING as the original template's callers send it: one folder in a bucket that the worker has keys for. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLogger } from '../../../log.ts';
import { decodedSound, mediaOf, peak } from '../../media/bitstream.ts';
import { makeAudio, makeVideo } from '../../media/generate.ts';
import { MemoryStore } from '../../media/memory-store.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { failed, startBench, succeeded, type TaskBench } from './task-bench.ts';

const [TOOLS] = ALL_TOOLS;
const PAYLOAD = {
  ...{ id: '42', language: 'en', subtitles: true, name: 'exported_video.mp4', input_video_name: 'video.mp4' },
  ...{ bucket: 'videos', bucket_parent_folder: 'jobs/2026' },
};
const SUBTITLES = [
  ...[
    '[Script Info]',
    'ScriptType: v4.00+',
    '',
    '[V4+ Styles]',
    'Format: Name, Fontname, Fontsize',
    'Style: Default,DejaVu Sans,20',
  ],
  ...['', '[Events]', 'Format: Layer, Start, End, Style, Text', 'Dialogue: 0,0:00:00.00,0:00:01.00,Default,hello', ''],
].join('\n');
const scope = { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger };

let bench: TaskBench;
beforeAll(async () => {
  if (TOOLS !== undefined) bench = await startBench(TOOLS);
});
afterAll(() => bench?.close());

it.skipIf(TOOLS === undefined)('reads its three inputs from the folder, and writes the video beside them', async () => {
  if (TOOLS === undefined) return;
  const store = new MemoryStore('s3', 'videos');
  const pictures = { name: 'video.mp4', width: 320, height: 180, seconds: 1, audio: false };
  const inputs = {
    'video.mp4': await makeVideo(TOOLS.ffmpeg, bench.directory, pictures),
    'exported_with_music.wav': await makeAudio(TOOLS.ffmpeg, bench.directory, { name: 'music.wav', seconds: 1 }),
  };
  for (const [name, file] of Object.entries(inputs)) await store.put(`jobs/2026/42/${name}`, await readFile(file));
  const runner = bench.runnerWith({
    storeFor: (scheme, bucket) => (`${scheme}://${bucket}` === 's3://videos' ? store : undefined),
  });
  const encode = () => runner.run({ task: 'ENCODING', parameters: PAYLOAD }, scope);

  expect(failed(await encode())).toMatchObject({ code: 'SOURCE_MISSING', message: expect.stringContaining('subtitles_en.ass') });
  await store.put('jobs/2026/42/subtitles_en.ass', SUBTITLES);
  const output = succeeded(await encode());

  const uri = 's3://videos/jobs/2026/42/exported_video.mp4';
  expect(output).toMatchObject({ statusCode: 200, _id: '42', output_uri: uri, subtitles: true });
  const written = store.objects.get('jobs/2026/42/exported_video.mp4');
  expect(written?.options.contentType).toBe('video/mp4');
  const made = join(bench.directory, 'legacy.mp4');
  await writeFile(made, written?.body ?? '');
  expect((await mediaOf(TOOLS, made)).video).toMatchObject({ codec: 'h264', width: 320, height: 180, frames: 25 });
  expect(peak(await decodedSound(TOOLS, made), 0.1, 0.9)).toBeGreaterThan(5000);
});
