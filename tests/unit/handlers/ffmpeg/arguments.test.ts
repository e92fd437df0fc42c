import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  audioCutArguments,
  CUT_SAMPLE_RATE,
  cutPlan,
  cutPreparation,
  decodeArguments,
} from '../../../../handlers/ffmpeg/arguments/audio-cut.ts';
import {
  canvasOf,
  clipArguments,
  concatList,
  frameCounts,
  joinArguments,
  samplesAt,
  trackTimescale,
} from '../../../../handlers/ffmpeg/arguments/concatenate.ts';
import { downsampleArguments, downsampledSize, previewCopyArguments } from '../../../../handlers/ffmpeg/arguments/downsample.ts';
import { encodeArguments } from '../../../../handlers/ffmpeg/arguments/encode.ts';
import { inputArguments } from '../../../../handlers/ffmpeg/arguments/input.ts';
import { levelArguments, writtenPeakDbfs } from '../../../../handlers/ffmpeg/arguments/sound-level.ts';
import { videoEncoderArguments } from '../../../../handlers/ffmpeg/arguments/video-encoder.ts';
import { type AudioStream, probeArguments } from '../../../../handlers/ffmpeg/probe.ts';
import { PLAIN_VIDEO } from '../plain-video.ts';

const VIDEO = PLAIN_VIDEO;
const AUDIO: AudioStream = { index: 1, codec: 'aac', sampleRate: 44_100, channels: 2, durationSeconds: 4, samples: undefined };
const URL_LOCATION = { url: 'http://127.0.0.1:4000/token' };

/** The value behind the n-th occurrence of an option. */
const optionOf = (args: readonly string[], option: string, n = 0): string | undefined =>
  args[args.flatMap((arg, index) => (arg === option ? [index + 1] : []))[n] ?? args.length];

const COMMANDS = {
  cut: audioCutArguments({
    location: URL_LOCATION,
    streamIndex: 0,
    sourceRate: 48_000,
    delaySeconds: 0,
    span: { start: 48_000, count: 4800 },
  }),
  downsample: downsampleArguments({
    location: URL_LOCATION,
    video: VIDEO,
    sound: { audio: AUDIO, copied: false },
    size: { width: 320, height: 180 },
    rung: 'cpu',
    toneMaps: true,
    outputFile: '/w/out.mp4',
  }),
  encode: encodeArguments({
    ...{ videoLocation: URL_LOCATION, video: VIDEO, audioLocation: { file: '/w/a.wav' }, audio: AUDIO },
    ...{ subtitles: true, durationSeconds: 4, rung: 'cpu', toneMaps: true, outputFile: '/w/out.mp4' },
  }),
  join: joinArguments({
    listFile: '/w/list',
    audioFile: '/w/audio.pcm',
    rate: { numerator: 25, denominator: 1 },
    audioKbps: 96,
    outputFile: '/w/out.mp4',
  }),
};

describe('every command', () => {
  it.each(Object.entries(COMMANDS))('%s reads no stdin, and guards each of its inputs', (_name, args) => {
    expect(args.slice(0, 3)).toEqual(['-nostdin', '-hide_banner', '-nostats']);
    const count = (option: string) => args.filter((arg) => arg === option).length;
    expect(count('-format_whitelist')).toBe(count('-i'));
    expect(count('-protocol_whitelist')).toBe(count('-i'));
  });

  it.each(Object.entries(COMMANDS))('%s uses only options that ffmpeg 4.1 knows', (_name, args) => {
    expect(args.filter((arg) => ['-stats_period', '-fps_mode', '-display_rotation', '-readrate'].includes(arg))).toEqual([]);
  });

  it('opens files by the file protocol and the gateway by http, never both', () => {
    expect(optionOf(inputArguments({ file: '/w/a' }), '-protocol_whitelist')).toBe('file');
    expect(optionOf(inputArguments(URL_LOCATION), '-protocol_whitelist')).toBe('http,tcp');
    expect(optionOf(probeArguments(URL_LOCATION), '-protocol_whitelist')).toBe('http,tcp');
    expect(optionOf(probeArguments(URL_LOCATION), '-max_pixels')).toBe('40000000');
  });

  it('leaves -ss out at the beginning, where it would not be the same as none', () => {
    expect(inputArguments(URL_LOCATION, { seekSeconds: 0 })).not.toContain('-ss');
    expect(optionOf(inputArguments(URL_LOCATION, { seekSeconds: 1.5 }), '-ss')).toBe('1.500000');
  });
});

describe('audio cuts', () => {
  it('starts half a second early, and drops exactly that', () => {
    expect(cutPlan({ start: 96_000, count: 48_000 }, 48_000)).toEqual({
      seekSamples: 72_000,
      warmUpSamples: 24_000,
      skipSamples: 0,
    });
    expect(cutPlan({ start: 4800, count: 1 }, 48_000)).toEqual({ seekSamples: 0, warmUpSamples: 4800, skipSamples: 0 });
  });

  it('begins where both rates have a sample, at any rate and place', () => {
    const rates = fc.constantFrom(8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000);
    fc.assert(
      fc.property(rates, fc.nat(48_000 * 36_000), (rate, start) => {
        const plan = cutPlan({ start, count: 1 }, rate);
        const anchor = plan.seekSamples + plan.warmUpSamples;
        expect(anchor * CUT_SAMPLE_RATE).toBe((start - plan.skipSamples) * rate);
        expect(plan.warmUpSamples).toBeLessThanOrEqual(Math.ceil(rate / 2));
        expect(plan.seekSamples === 0 || plan.warmUpSamples >= rate / 2).toBe(true);
        expect(Math.min(plan.skipSamples, plan.seekSamples, plan.warmUpSamples)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('cuts before and after resampling', () => {
    const args = audioCutArguments({
      location: URL_LOCATION,
      streamIndex: 2,
      sourceRate: 44_100,
      delaySeconds: 0,
      span: { start: 480_000, count: 4800 },
    });
    expect(optionOf(args, '-map')).toBe('0:2');
    const filters = optionOf(args, '-af') ?? '';
    expect(filters).toMatch(/^atrim=start_sample=22050,asetpts=N\/SR\/TB,asplit\[cut\]\[measured\];/);
    expect(filters).toMatch(/\[cut\]aresample=48000,aformat=sample_fmts=s16:channel_layouts=stereo,/);
    // The same tenth of a second, in samples of the source.
    expect(filters).toContain('[measured]atrim=start_sample=4410:end_sample=8820,astats,anullsink;');
    const [, start, end] = /atrim=start_sample=(\d+):end_sample=(\d+)$/.exec(filters) ?? [];
    expect(Number(end) - Number(start)).toBe(4800);
    expect(args.slice(-3)).toEqual(['-f', 's16le', 'pipe:1']);
  });

  it('puts silence in front of sound that begins later than what is read of it, and nowhere else', () => {
    const filtersAt = (start: number) =>
      optionOf(
        audioCutArguments({
          ...{ location: URL_LOCATION, streamIndex: 1, sourceRate: 48_000, delaySeconds: 2 },
          span: { start: start * 48_000, count: 4800 },
        }),
        '-af',
      );
    const silence = /^aresample=async=1:first_pts=0,atrim=/;
    expect([0, 1, 2.4].map((start) => silence.test(filtersAt(start) ?? ''))).toEqual([true, true, true]);
    expect(filtersAt(2.5)).not.toMatch(silence);
    const decoded = (delaySeconds: number) =>
      optionOf(decodeArguments({ location: URL_LOCATION, streamIndex: 1, delaySeconds }, 10, 'o.wav'), '-af');
    expect(decoded(2)).toBe(`aresample=async=1:first_pts=0,${decoded(0)}`);
  });

  it.each([
    ['wav', 'none'],
    ['flac', 'none'],
    ['mov,mp4,m4a,3gp,3g2,mj2', 'none'],
    ['mp3', 'remux'],
    ['aac', 'remux'],
    ['matroska,webm', 'decode'],
    ['ogg', 'decode'],
    ['mpegts', 'decode'],
  ])('knows that %s needs %s', (format, preparation) => {
    expect(cutPreparation(format)).toBe(preparation);
  });
});

describe('downsampled sizes', () => {
  it('are even, never larger than the source, and keep its shape', () => {
    const side = fc.integer({ min: 16, max: 4096 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 144, max: 2160 }), (displayWidth, displayHeight, target) => {
        const { width, height } = downsampledSize({ displayWidth, displayHeight }, target);
        expect([width % 2, height % 2]).toEqual([0, 0]);
        expect(width).toBeLessThanOrEqual(displayWidth);
        expect(height).toBeLessThanOrEqual(Math.min(displayHeight, target));
        expect(height).toBeGreaterThan(Math.min(displayHeight, target) - 2);
        expect(Math.abs(width - (displayWidth * height) / displayHeight)).toBeLessThanOrEqual(2);
      }),
    );
  });

  it('are scaled to with square pixels, with the index in front', () => {
    expect(optionOf(COMMANDS.downsample, '-vf')).toBe('scale=320:180:flags=lanczos,setsar=1,format=yuv420p');
    expect(optionOf(COMMANDS.downsample, '-movflags')).toBe('+faststart');
    expect(optionOf(COMMANDS.downsample, '-map', 1)).toBe('0:1');
    const mute = downsampleArguments({
      location: URL_LOCATION,
      video: VIDEO,
      sound: undefined,
      size: { width: 2, height: 2 },
      rung: 'cpu',
      toneMaps: true,
      outputFile: 'o',
    });
    expect(mute).not.toContain('-c:a');
  });
});

/** What an AAC encoder gets, and its peak on the way there. */
const AAC_FORMAT =
  'aformat=sample_fmts=fltp:sample_rates=96000|88200|64000|48000|44100|32000|24000|22050|16000|12000|11025|8000|7350';
const METER = 'astats=metadata=1,ametadata=print:key=lavfi.astats.Overall.Peak_level:file=sound-entered.level';

describe('sound levels', () => {
  it('are taken on the way into each encoder, and nowhere where sound is copied', () => {
    expect(optionOf(COMMANDS.downsample, '-af')).toBe(`${AAC_FORMAT},${METER}`);
    expect(optionOf(COMMANDS.join, '-af')).toBe(`${AAC_FORMAT},${METER}`);
    const copy = previewCopyArguments({
      ...{ location: URL_LOCATION, video: VIDEO, outputFile: 'o' },
      sound: { audio: { ...AUDIO, index: 1 }, copied: true },
    });
    expect(copy).not.toContain('-af');
  });

  it('are taken of an output without a look at its pictures', () => {
    const args = levelArguments({ file: '/w/o.mp4' });
    expect(args.slice(args.indexOf('-i'))).toEqual([
      ...['-i', '/w/o.mp4', '-map', '0:a:0', '-vn', '-sn', '-dn', '-af'],
      'asetnsamples=n=192000,aformat=sample_fmts=fltp,astats=metadata=1,ametadata=print:key=lavfi.astats.Overall.Peak_level:file=sound-made.level',
      ...['-f', 'null', '-'],
    ]);
  });

  it('are the last that was written: a peak so far only grows', () => {
    const line = (peak: string) => `frame:1 pts:1024 pts_time:0.02\nlavfi.astats.Overall.Peak_level=${peak}\n`;
    expect(writtenPeakDbfs(line('-inf') + line('-21.070000') + line('0.250000'))).toBe(0.25);
    expect(writtenPeakDbfs(`l.Peak_level=-1\n${line('-6.5')}`)).toBe(-6.5);
    expect([writtenPeakDbfs(line('-inf')), writtenPeakDbfs('')]).toEqual([-Infinity, -Infinity]);
  });
});

describe('encodes', () => {
  it('burn in a file of a fixed name, last as long as the pictures, and pad the sound', () => {
    expect(optionOf(COMMANDS.encode, '-vf')).toBe(
      'scale=640:360:flags=lanczos,setsar=1,ass=subtitles.ass:fontsdir=fonts,format=yuv420p',
    );
    expect(optionOf(COMMANDS.encode, '-t')).toBe('4.000000');
    expect(optionOf(COMMANDS.encode, '-af')).toBe(
      `aresample=48000,${AAC_FORMAT}:channel_layouts=stereo,apad,atrim=end=4.000000,${METER}`,
    );
    expect(COMMANDS.encode).not.toContain('-shortest');
    expect([optionOf(COMMANDS.encode, '-map'), optionOf(COMMANDS.encode, '-map', 1)]).toEqual(['0:0', '1:1']);
  });

  it('use the encoder that they are given', () => {
    expect(optionOf(videoEncoderArguments('libx264', 18), '-crf')).toBe('18');
    const nvenc = videoEncoderArguments('h264_nvenc', 0);
    expect(optionOf(nvenc, '-c:v')).toBe('h264_nvenc');
    expect(optionOf(nvenc, '-cq')).toBe('1');
    expect(nvenc).not.toContain('-crf');
  });
});

describe('concatenations', () => {
  const picture = (displayWidth: number, displayHeight: number, numerator: number, denominator = 1) => ({
    ...{ displayWidth, displayHeight, frameRate: { numerator, denominator } },
  });

  it('take the most common size and the most common rate, each by itself', () => {
    const clips = [picture(320, 180, 30), picture(1280, 720, 25), picture(1280, 720, 30_000, 1001), picture(641, 361, 25)];
    expect(canvasOf(clips)).toEqual({ width: 1280, height: 720, rate: { numerator: 25, denominator: 1 } });
    expect(canvasOf([picture(641, 361, 120)])).toEqual({ width: 640, height: 360, rate: { numerator: 60, denominator: 1 } });
  });

  it('never let rounding add up: the frames of any beginning are its rounded length', () => {
    const rates = fc.constantFrom(
      { numerator: 25, denominator: 1 },
      { numerator: 30_000, denominator: 1001 },
      { numerator: 24, denominator: 1 },
    );
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 }),
        rates,
        (durations, rate) => {
          const counts = frameCounts(durations, rate);
          let seconds = 0;
          let frames = 0;
          for (const [index, duration] of durations.entries()) {
            seconds += duration;
            frames += counts[index] ?? 0;
            expect(Math.abs(frames - (seconds * rate.numerator) / rate.denominator)).toBeLessThanOrEqual(0.5 + 1e-6);
          }
        },
      ),
    );
  });

  it('place sound by the frame that it begins with', () => {
    expect(samplesAt(30_000, { numerator: 30_000, denominator: 1001 })).toBe(1001 * 48_000);
    expect(samplesAt(25, { numerator: 25, denominator: 1 })).toBe(48_000);
  });

  it('give every frame a whole number of units', () => {
    for (const [numerator, denominator] of [
      [25, 1],
      [30_000, 1001],
      [24_000, 1001],
      [60, 1],
    ] as const) {
      const timescale = trackTimescale({ numerator, denominator });
      expect((timescale * denominator) % numerator).toBe(0);
      expect(timescale).toBeGreaterThanOrEqual(10_000);
    }
  });

  it('fit a portrait clip between bars, undistorted, and hold its last picture', () => {
    const args = clipArguments({
      ...{ location: URL_LOCATION, video: { ...VIDEO, displayWidth: 180, displayHeight: 320 }, audioIndex: 1 },
      ...{ canvas: { width: 320, height: 180, rate: { numerator: 25, denominator: 1 } }, frames: 50 },
      ...{ pictures: { rung: 'cpu', crf: 30, toneMaps: true }, videoFile: '/w/v.mp4', audioFile: '/w/a.pcm' },
    });
    expect(optionOf(args, '-vf')).toBe(
      'fps=25/1:start_time=0,scale=102:180:flags=lanczos,setsar=1,pad=320:180:(ow-iw)/2:(oh-ih)/2,format=yuv420p,tpad=stop_mode=clone:stop_duration=2.000000',
    );
    expect(optionOf(args, '-frames:v')).toBe('50');
    expect(optionOf(args, '-crf')).toBe('30');
    expect(args.at(-1)).toBe('/w/a.pcm');
  });

  it('list files with their exact lengths and copy the pictures', () => {
    expect(concatList([{ file: 'clip_0.mp4', frames: 30 }], { numerator: 25, denominator: 1 })).toBe(
      'ffconcat version 1.0\nfile clip_0.mp4\nduration 1.200000\n',
    );
    expect(optionOf(COMMANDS.join, '-c:v')).toBe('copy');
    expect(optionOf(COMMANDS.join, '-b:a')).toBe('96k');
  });
});
