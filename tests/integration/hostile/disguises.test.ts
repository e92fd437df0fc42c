/** Files that are not what they say: each tries to make ffmpeg read something else. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import type { TaskAnswer } from '../../../handlers/task.ts';
import { ffmpeg, makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { expectNoSecrets, failed, startBench, succeeded, type TaskBench } from '../handlers/task-bench.ts';
import { type Canary, startCanary } from './canary.ts';

describe.each(ALL_TOOLS)('files in disguise, with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  let canary: Canary;
  let video: string;
  let audio: string;

  beforeAll(async () => {
    bench = await startBench(tools);
    canary = await startCanary(bench.directory);
    video = await makeVideo(tools.ffmpeg, bench.directory, { name: 'video.mp4', width: 160, height: 90, seconds: 1 });
    audio = await makeAudio(tools.ffmpeg, bench.directory, { name: 'audio.wav', seconds: 1 });
  });
  afterAll(async () => {
    await canary.close();
    await bench.close();
  });

  const playlist = (target: string) =>
    ['#EXTM3U', '#EXT-X-VERSION:3', '#EXT-X-TARGETDURATION:9', '#EXTINF:9.0,', target, '#EXT-X-ENDLIST', ''].join('\n');
  const concat = (target: string) => `ffconcat version 1.0\nfile '${target}'\nduration 9\n`;
  const mpd = (target: string) =>
    `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>${target}</BaseURL></Representation></AdaptationSet></Period></MPD>`;

  const DISGUISES = [
    { what: 'an m3u8 playlist of a local file', name: 'a.mp4', text: () => playlist(`file://${canary.file}`) },
    { what: 'an m3u8 playlist of a path', name: 'b.mp4', text: () => playlist(canary.file) },
    { what: 'an m3u8 playlist of an inner address', name: 'c.m3u8', text: () => playlist(canary.url) },
    { what: 'an m3u8 playlist of two protocols', name: 'd.mp4', text: () => playlist(`concat:${canary.file}|${canary.file}`) },
    { what: 'an m3u8 playlist of an encrypted part', name: 'e.mp4', text: () => encrypted(canary.url, canary.file) },
    { what: 'a concat script of a local file', name: 'f.mp4', text: () => concat(canary.file) },
    { what: 'a concat script of an inner address', name: 'g.mp4', text: () => concat(canary.url) },
    { what: 'a DASH manifest', name: 'h.mp4', text: () => mpd(canary.url) },
    { what: 'an SDP description', name: 'i.mp4', text: () => `v=0\nc=IN IP4 127.0.0.1\nm=video ${canary.port} RTP/AVP 96\n` },
    { what: 'an image sequence pattern', name: '%d.mp4', text: () => 'not an image' },
    { what: 'a list of subtitles', name: 'j.mp4', text: () => '1\n00:00:00,000 --> 00:00:09,000\nhello\n' },
    { what: 'SVG that refers to a file', name: 'k.mp4', text: () => `<svg><image href="file://${canary.file}"/></svg>` },
  ];

  // Both ways in: ranges go through the gateway, a server without them through a file on disk.
  it.each(DISGUISES.flatMap((each) => [true, false].map((ranges) => ({ ...each, ranges }))))(
    'reads nothing through $what (ranges: $ranges)',
    async ({ name, text, ranges }) => {
      const file = join(bench.directory, name);
      await writeFile(file, text());
      const source = bench.serve(file, { ranges });
      const output_put_url = bench.sink.url('disguised');
      const answers: TaskAnswer[] = [
        await bench.run('DOWNSAMPLING', { original_video_uri: source, resolution: 144, output_put_url }),
        await bench.run('AUDIO_TRIM', { source_uri: source, start_sec: 0, duration_sec: 0.5, output_put_url }),
      ];
      expect(answers.map((answer) => failed(answer).code)).toEqual(['INPUT_INVALID', 'INPUT_INVALID']);
      expect(bench.sink.taken.has('disguised')).toBe(false);
      canary.expectUntouched(bench, answers);
      expectNoSecrets(bench, ...answers);
    },
  );

  it('would be read through such a file without the guards', async () => {
    const bait = await startCanary(bench.directory);
    const file = join(bench.directory, 'bait.m3u8');
    await writeFile(file, playlist(bait.url));
    // Fails, because what it fetched is no video; by then it has been fetched.
    await ffmpeg(tools.ffmpeg, ['-protocol_whitelist', 'file,http,tcp', '-i', file, '-f', 'null', '-']).catch(() => undefined);
    expect(bait.requests).toContain('/canary.ts');
    await bait.close();
  });

  const ASS = (style: string, text: string) =>
    [
      ...['[Script Info]', 'ScriptType: v4.00+', `; include ${style}`, '', '[V4+ Styles]'],
      'Format: Name, Fontname, Fontsize, PrimaryColour',
      `Style: Default,${style},20,&H00FFFFFF`,
      ...['', '[Fonts]', `fontname: ../../${style}`, '', '[Graphics]', `filename: ${style}`, '', '[Events]'],
      ...['Format: Layer, Start, End, Style, Text', `Dialogue: 0,0:00:00.00,0:00:01.00,Default,${text}`, ''],
    ].join('\n');

  it.each([
    {
      what: 'fonts and pictures of other folders',
      name: 'x.ass',
      text: () => ASS(canary.file, `{\\fn${canary.file}}hello`),
      code: undefined,
    },
    { what: 'a font face with an address', name: 'x.srt', text: () => faced(canary.url), code: undefined },
    { what: 'a concat script', name: 'y.ass', text: () => concat(canary.file), code: 'INPUT_INVALID' },
    { what: 'a playlist', name: 'y.srt', text: () => playlist(canary.file), code: 'INPUT_INVALID' },
    {
      what: 'a subtitle index that names another file',
      name: 'y.idx',
      text: () => `# VobSub index file, v7\n`,
      code: 'INPUT_INVALID',
    },
    {
      what: 'SAMI that loads a style',
      name: 'y.smi',
      text: () => `<SAMI><HEAD><LINK HREF="${canary.url}"></HEAD></SAMI>`,
      code: 'INPUT_INVALID',
    },
  ])('reads nothing through subtitles with $what', async ({ name, text, code }) => {
    const file = join(bench.directory, name);
    await writeFile(file, text());
    const answer = await bench.run('ENCODING', {
      ...{ id: 'v', language: 'en', subtitles: true, subtitles_uri: bench.serve(file) },
      ...{ input_video_uri: bench.serve(video), input_audio_uri: bench.serve(audio), output_put_url: bench.sink.url(name) },
    });
    if (code === undefined) succeeded(answer);
    else expect(failed(answer).code).toBe(code);
    expect(bench.sink.taken.has(name)).toBe(code === undefined);
    canary.expectUntouched(bench, answer);
  });

  it('does not join a playlist that comes as one of many clips', async () => {
    const file = join(bench.directory, 'clip.mp4');
    await writeFile(file, concat(canary.file));
    const segment_urls = [bench.serve(video), bench.serve(file)];
    const answer = await bench.run('CONCATENATION', { segment_urls, output_put_url: bench.sink.url('joined.mp4') });
    expect(failed(answer).code).toBe('INPUT_INVALID');
    canary.expectUntouched(bench, answer);
  });

  it.each(['../../../../tmp/up.mp4', '-y.mp4', '|id.mp4', 'file:x.mp4', 'a%00b.mp4', "a'b;c.mp4", '$(id).mp4', 'concat:a.mp4'])(
    'takes %s for a name, and for nothing else',
    async (name) => {
      const registered = `names/${name}`;
      bench.origin.files.set(registered, { file: video });
      const original_video_uri = bench.origin.url(registered);
      const output_put_url = bench.sink.url('named.mp4');
      succeeded(await bench.run('DOWNSAMPLING', { original_video_uri, resolution: 144, output_put_url }));
      expect(await bench.leftovers()).toEqual([]);
    },
  );

  it.each([
    's3://b/../../etc/passwd',
    's3://b/a/./b',
    'file:///etc/passwd',
    '/etc/passwd',
    'concat:/etc/passwd',
    'pipe:0',
    'data:,x',
  ])('takes %s for no input at all', async (source_uri) => {
    const answer = await bench.run('STAGE_OBJECT', { source_uri, output_put_url: bench.sink.url('none') });
    expect(['URI_INVALID', 'PARAMETERS_INVALID']).toContain(failed(answer).code);
    expect(bench.sink.taken.has('none')).toBe(false);
  });
});

function encrypted(keyUrl: string, file: string): string {
  const lines = ['#EXTM3U', '#EXT-X-TARGETDURATION:9', `#EXT-X-KEY:METHOD=AES-128,URI="${keyUrl}"`, '#EXTINF:9.0,', file];
  return [...lines, '#EXT-X-ENDLIST', ''].join('\n');
}

function faced(url: string): string {
  return `1\n00:00:00,000 --> 00:00:01,000\n<font face="${url}">hello</font><img src="${url}">\n`;
}
