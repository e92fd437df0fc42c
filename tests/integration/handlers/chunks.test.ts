import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import {
  decodedSound,
  greyPictures,
  largestDifference,
  mediaOf,
  pictureDifference,
  pictureTimes,
} from '../../media/bitstream.ts';
import { ffmpeg, makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { makeTwice, splitOf, splitOffer } from './in-chunks.ts';
import { failed, runContext, startBench, succeeded, type TaskBench } from './task-bench.ts';

const CHUNK_SEC = 1.5;

/** Grey levels, of 255: two encodes of one picture differ by less. */
const NOISE = 2.5;

const milliseconds = (seconds: number) => Math.round(seconds * 1000);

/** Made of its own once more, without its first 22 pictures. */
const CUT = 'cut.mp4';

interface Source {
  readonly what: string;
  /** Arguments that end in the file's name. */
  readonly args: readonly string[];
  readonly oldFfmpeg?: true;
  /** Where a picture is missing the whole shows its neighbour on one side, and a chunk that on the other. */
  readonly neighbours?: true;
}

const picture = (rate: string, seconds: number) => ['-f', 'lavfi', '-i', `testsrc2=s=288x162:r=${rate}:d=${seconds}`];
const sound = (rate: number, seconds: number, expression = '0.5*sin(2*PI*(200+150*t)*t)') => [
  ...['-f', 'lavfi', '-i', `aevalsrc='${expression}':s=${rate}:d=${seconds}`],
];
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
const OPEN_GROUPS = [
  '-c:v',
  'libx264',
  '-preset',
  'veryfast',
  '-bf',
  '3',
  '-g',
  '40',
  '-x264-params',
  'open-gop=1',
  '-pix_fmt',
  'yuv420p',
];
const TEN_BITS = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-pix_fmt', 'yuv420p10le'];

/** As a recording that was cut out of a longer one: its times begin there. */
const LATE = ['-output_ts_offset', '10.007'];
/** Pictures 35 to 80 are missing, and every seventh of the others. */
const GAPS = ['-vf', "select='not(between(n,35,80))*mod(n,7)'", '-vsync', 'vfr'];

const SOURCES: readonly Source[] = [
  {
    what: 'of 30000/1001 pictures a second in open groups with B-frames, from 10 s on, its sound later',
    args: [
      ...picture('30000/1001', 4),
      '-itsoffset',
      '0.7',
      ...sound(44_100, 3),
      ...OPEN_GROUPS,
      '-c:a',
      'aac',
      ...LATE,
      'ntsc.mp4',
    ],
    oldFfmpeg: true,
  },
  {
    what: 'of ten bits whose pictures begin after its sound',
    args: [
      ...[...sound(48_000, 4), '-itsoffset', '0.48', ...picture('25', 3.6), '-map', '1:v', '-map', '0:a'],
      ...[...TEN_BITS, '-vsync', 'vfr', '-c:a', 'aac', 'late.mp4'],
    ],
  },
  {
    what: 'of uneven pace that stands still across a cut',
    args: [...picture('30', 4), ...sound(48_000, 4), ...GAPS, ...H264, '-c:a', 'aac', 'screen.mp4'],
  },
  {
    what: 'in Matroska (whole milliseconds) that claims an even pace where pictures are missing',
    args: [...picture('24000/1001', 4), ...sound(48_000, 4), ...GAPS, ...H264, '-c:a', 'pcm_s16le', 'film.mkv'],
    neighbours: true,
  },
  {
    what: 'without sound that an edit list cuts at its beginning',
    args: [...picture('25', 5), ...H264, CUT],
  },
];

describe.each(ALL_TOOLS)('videos in chunks with the $origin ffmpeg $version', (tools: Tools) => {
  const isOld = tools.origin === 'embedded' && ALL_TOOLS.length > 1;
  let bench: TaskBench;
  beforeAll(async () => {
    bench = await startBench(tools);
  });
  afterAll(() => bench.close());

  async function generate(args: readonly string[]): Promise<string> {
    const file = join(bench.directory, args.at(-1) ?? '');
    await ffmpeg(tools.ffmpeg, [...args.slice(0, -1), file]);
    if (!file.endsWith(CUT)) return file;
    const cut = join(bench.directory, `of-${CUT}`);
    await ffmpeg(tools.ffmpeg, ['-ss', '0.88', '-i', file, '-c', 'copy', cut]);
    return cut;
  }

  it.each(SOURCES.filter(({ oldFfmpeg }) => !isOld || oldFfmpeg === true))(
    'makes of a video $what what it makes of it whole',
    async ({ args, neighbours }) => {
      const source = await generate(args);
      const parameters = { original_video_uri: bench.serve(source), resolution: 144 };

      const { whole, joined, list } = await makeTwice(bench, args.at(-1) ?? '', 'DOWNSAMPLING', parameters, CHUNK_SEC);

      expect(list.chunks.length).toBe(3);
      const [wholeInfo, joinedInfo] = await Promise.all([mediaOf(tools, whole), mediaOf(tools, joined)]);
      expect(joinedInfo.video?.frames).toBe(wholeInfo.video?.frames);
      const [wholeTimes, joinedTimes] = await Promise.all([pictureTimes(tools, whole), pictureTimes(tools, joined)]);
      expect(joinedTimes.map(milliseconds)).toEqual(wholeTimes.map(milliseconds));
      const [wholePictures, joinedPictures] = await Promise.all([greyPictures(tools, whole), greyPictures(tools, joined)]);
      expect(joinedPictures.length).toBe(wholePictures.length);
      const reach = neighbours === true ? [-1, 0, 1] : [0];
      const differences = joinedPictures.map((made, index) =>
        Math.min(...reach.map((step) => pictureDifference(made, wholePictures[index + step] ?? Buffer.alloc(0)))),
      );
      expect(Math.max(...differences)).toBeLessThan(NOISE);
      expect(joinedInfo.audio?.packets).toBe(wholeInfo.audio?.packets);
      if (wholeInfo.audio === undefined) return;
      const [wholeSound, joinedSound] = await Promise.all([decodedSound(tools, whole), decodedSound(tools, joined)]);
      expect(largestDifference(joinedSound, wholeSound)).toBe(0);
    },
  );

  it('draws subtitles at their times on both sides of a cut, and makes the sound once', async () => {
    const video = await makeVideo(tools.ffmpeg, bench.directory, {
      name: 'grey.mp4',
      width: 320,
      height: 180,
      seconds: 4,
      color: 'gray',
    });
    const subtitles = join(bench.directory, 'lines.ass');
    // Across the first cut at 1.5 s, and in the last chunk.
    await writeFile(subtitles, ASS);
    const parameters = {
      ...{ id: 'v', language: 'en', subtitles: true },
      input_video_uri: bench.serve(video),
      input_audio_uri: bench.serve(await makeAudio(tools.ffmpeg, bench.directory, { name: 'voice.wav', seconds: 3.2 })),
      subtitles_uri: bench.serve(subtitles),
    };

    const { whole, joined } = await makeTwice(bench, 'subtitled', 'ENCODING', parameters, CHUNK_SEC);

    const shown = async (file: string) =>
      (await greyPictures(tools, file)).map((grey) => (Math.max(...grey) - Math.min(...grey) > 40 ? '#' : '.')).join('');
    const wanted = `${'.'.repeat(30)}${'#'.repeat(20)}${'.'.repeat(30)}${'#'.repeat(10)}${'.'.repeat(10)}`;
    expect(await shown(whole)).toBe(wanted);
    expect(await shown(joined)).toBe(wanted);
    const [wholeSound, joinedSound] = await Promise.all([decodedSound(tools, whole), decodedSound(tools, joined)]);
    expect(largestDifference(joinedSound, wholeSound)).toBe(0);
    const [wholeInfo, joinedInfo] = await Promise.all([mediaOf(tools, whole), mediaOf(tools, joined)]);
    expect(joinedInfo).toMatchObject({
      durationSeconds: wholeInfo.durationSeconds,
      video: { frames: 100, durationSeconds: wholeInfo.video?.durationSeconds },
      audio: { packets: wholeInfo.audio?.packets, durationSeconds: wholeInfo.audio?.durationSeconds },
    });
  });

  if (isOld) return;

  it('makes a source whole that is not longer than the stage says, or has no index, and writes no list', async () => {
    const short = await makeVideo(tools.ffmpeg, bench.directory, { name: 'short.mp4', width: 320, height: 180, seconds: 1 });
    const stream = await makeVideo(tools.ffmpeg, bench.directory, { name: 'stream.ts', width: 320, height: 180, seconds: 3 });

    for (const [name, source] of [
      ['short', short],
      ['stream', stream],
    ] as const) {
      const millrace = runContext(bench, name, { split: splitOffer(bench, name, 1, 1) });
      const parameters = { original_video_uri: bench.serve(source), resolution: 144, millrace };
      succeeded(await bench.run('DOWNSAMPLING', { ...parameters, output_put_url: bench.sink.url(`${name}.mp4`) }));

      expect([...bench.sink.taken.keys()].filter((taken) => taken.startsWith(`${name}.`))).toEqual([
        `${name}.mp4`,
        `${name}.succeeded.json`,
      ]);
    }
  });

  it('writes the list, then the sound, then a result that says that it was split; and no output', async () => {
    const source = await makeVideo(tools.ffmpeg, bench.directory, { name: 'told.mp4', width: 320, height: 180, seconds: 3 });

    const parameters = { original_video_uri: bench.serve(source), resolution: 144 };
    const list = await splitOf(bench, 'told', 'DOWNSAMPLING', parameters, 1);

    expect(list).toMatchObject({ fingerprint: 'f'.repeat(16), sound: true });
    expect(list.chunks.map(({ start_frame, frames, to_end }) => [start_frame, frames, to_end])).toEqual([
      [0, 25, undefined],
      [25, 25, undefined],
      [50, 25, true],
    ]);
    const written = bench.sink.order.filter((name) => name.startsWith('told.'));
    expect(written).toEqual(['told.chunks.json', 'told.sound.m4a', 'told.split.json']);
    expect(bench.sink.taken.get('told.sound.m4a')?.headers['x-amz-meta-fingerprint']).toBe('f'.repeat(16));
    expect(bench.sink.json('told.split.json')).toMatchObject({ status: 'split', output: { split: true, chunks: 3 } });
  });

  it('refuses to join a chunk that does not hold the pictures that the list says', async () => {
    const source = await makeVideo(tools.ffmpeg, bench.directory, { name: 'odd.mp4', width: 320, height: 180, seconds: 1 });
    const chunk = { rate: '25/1', start_frame: 0, frames: 25 };
    const parameters = {
      chunk_urls: [bench.serve(source), bench.serve(source)],
      chunks: [chunk, { ...chunk, start_frame: 25, frames: 24 }],
      output_put_url: bench.sink.url('odd.joined.mp4'),
    };

    const error = failed(await bench.run('JOIN_CHUNKS', parameters));

    expect(error).toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('has 25 frames where its chunk has 24'),
    });
    expect(bench.sink.taken.has('odd.joined.mp4')).toBe(false);
  });

  it('encodes chunks once more that were coded differently, by workers of two kinds', async () => {
    const [high, low] = await Promise.all(
      [[], ['-x264-params', 'ref=1:cabac=0:8x8dct=0']].map(async (options, index) => {
        const file = join(bench.directory, `kind_${index}.mp4`);
        const encoding = [
          '-c:v',
          'libx264',
          '-preset',
          'ultrafast',
          '-pix_fmt',
          'yuv420p',
          ...(index === 0 ? ['-preset', 'medium'] : options),
        ];
        await ffmpeg(tools.ffmpeg, [...picture('25', 1), ...encoding, file]);
        return bench.serve(file);
      }),
    );
    const chunk = { rate: '25/1', start_frame: 0, frames: 25 };
    const parameters = {
      chunk_urls: [high, low],
      chunks: [chunk, { ...chunk, start_frame: 25, to_end: true }],
      output_put_url: bench.sink.url('kinds.mp4'),
    };

    const output = succeeded(await bench.run('JOIN_CHUNKS', parameters));

    expect(output).toMatchObject({ frames: 50, encoder: 'libx264', not_copied_reason: 'chunks 0 and 1 are coded differently' });
    const pictures = await greyPictures(tools, await bench.takenFile('kinds.mp4'));
    expect(pictures.length).toBe(50);
    // Both were made of the same pictures.
    expect(pictureDifference(pictures[10] ?? Buffer.alloc(0), pictures[35] ?? Buffer.alloc(0))).toBeLessThan(NOISE);
  });
});

const ASS = `[Script Info]
ScriptType: v4.00+
PlayResX: 320
PlayResY: 180

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, Italic, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV
Style: Default,DejaVu Sans,48,&H00FFFFFF,&H00000000,&H00000000,0,0,1,0,0,5,10,10,10

[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:01.20,0:00:02.00,Default,ACROSS
Dialogue: 0,0:00:03.20,0:00:03.60,Default,LATER
`;
