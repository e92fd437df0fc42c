import { describe, expect, it } from 'vitest';
import { colorArguments } from '../../../../handlers/ffmpeg/arguments/color.ts';
import { clipArguments } from '../../../../handlers/ffmpeg/arguments/concatenate.ts';
import { type Downsample, downsampleArguments, previewCopyArguments } from '../../../../handlers/ffmpeg/arguments/downsample.ts';
import { encodeArguments } from '../../../../handlers/ffmpeg/arguments/encode.ts';
import { steadyRate } from '../../../../handlers/ffmpeg/arguments/picture-path.ts';
import {
  decoderProofArguments,
  encoderProofArguments,
  scalerProofArguments,
} from '../../../../handlers/ffmpeg/arguments/proof.ts';
import type { AudioStream } from '../../../../handlers/ffmpeg/probe.ts';
import type { Rung } from '../../../../handlers/ffmpeg/rung.ts';
import { PLAIN_CODING, PLAIN_VIDEO } from '../plain-video.ts';

const AUDIO: AudioStream = { index: 1, codec: 'aac', sampleRate: 44_100, channels: 2, durationSeconds: 4, samples: undefined };
const GUARDS = [
  ...['-format_whitelist', 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,mp3,flac,ogg,aac,mpegts,avi'],
  ...['-protocol_whitelist', 'http,tcp', '-max_pixels', '40000000'],
];
const GLOBAL = ['-nostdin', '-hide_banner', '-nostats', '-loglevel', 'warning', '-y'];
const START = [...GLOBAL, '-progress', 'pipe:1'];
const INPUT = ['-i', 'http://127.0.0.1:4000/token'];
const SOUND_FILTERS = [
  'aformat=sample_fmts=fltp:sample_rates=96000|88200|64000|48000|44100|32000|24000|22050|16000|12000|11025|8000|7350',
  'astats=metadata=1',
  'ametadata=print:key=lavfi.astats.Overall.Peak_level:file=sound-entered.level',
].join(',');
const SOUND = [
  ...['-map', '0:0', '-map', '0:1', '-af', SOUND_FILTERS, '-c:a', 'aac', '-b:a', '128k'],
  ...['-sn', '-dn', '-map_chapters', '-1'],
];
const MP4 = ['-movflags', '+faststart', '-max_muxing_queue_size', '4096', '-f', 'mp4', '/w/out.mp4'];
const NVENC = [
  ...['-c:v', 'h264_nvenc', '-preset', 'p5', '-tune', 'hq', '-profile:v', 'high', '-rc', 'vbr', '-cq', '23', '-b:v', '0'],
  ...['-spatial-aq', '1', '-rc-lookahead', '20', '-bf', '3', '-g', '60'],
];
const X264 = ['-c:v', 'libx264', '-preset', 'medium', '-profile:v', 'high', '-crf', '23', '-pix_fmt', 'yuv420p'];
const CPU_FILTERS = 'scale=320:180:flags=lanczos,setsar=1,format=yuv420p';

const PREVIEW: Omit<Downsample, 'video'> = {
  ...{ location: { url: 'http://127.0.0.1:4000/token' }, sound: { audio: AUDIO, copied: false } },
  ...{ size: { width: 320, height: 180 }, rung: 'cpu', outputFile: '/w/out.mp4', toneMaps: true },
};
const downsampled = (rung: Rung) =>
  downsampleArguments({
    ...{ location: { url: 'http://127.0.0.1:4000/token' }, video: PLAIN_VIDEO, sound: { audio: AUDIO, copied: false } },
    ...{ size: { width: 320, height: 180 }, rung, outputFile: '/w/out.mp4', toneMaps: true },
  });
const encoded = (rung: Rung, subtitles: boolean) =>
  encodeArguments({
    ...{ videoLocation: { file: '/w/v.mp4' }, video: PLAIN_VIDEO, audioLocation: { file: '/w/a.wav' }, audio: AUDIO },
    ...{ subtitles, durationSeconds: 4, rung, outputFile: '/w/out.mp4', toneMaps: true },
  });
const filtersOf = (args: readonly string[]) => args[args.indexOf('-vf') + 1];

describe('the way of the pictures', () => {
  it.each([
    ['gpu', ['-hwaccel', 'cuda', '-hwaccel_output_format', 'cuda'], 'scale_cuda=320:180:interp_algo=lanczos,setsar=1', NVENC],
    ['gpu-encode', [], CPU_FILTERS, [...NVENC, '-pix_fmt', 'yuv420p']],
    ['gpu-decode', ['-hwaccel', 'cuda'], CPU_FILTERS, X264],
    ['cpu', [], CPU_FILTERS, X264],
  ] as const)('on rung %s has exactly these arguments', (rung, decoding, filters, encoding) => {
    const path = [...decoding, ...GUARDS, ...INPUT, ...SOUND, '-vf', filters, ...encoding, '-color_range', 'tv'];
    expect(downsampled(rung)).toEqual([...START, ...path, ...MP4]);
  });

  it('goes down to the CPU and up again where subtitles are drawn', () => {
    expect(filtersOf(encoded('gpu', true))).toBe(
      'setsar=1,hwdownload,format=nv12,ass=subtitles.ass:fontsdir=fonts,hwupload_cuda',
    );
    expect(filtersOf(encoded('gpu', false))).toBe('setsar=1');
    expect(encoded('gpu', true)).not.toContain('-pix_fmt');
  });

  it('decodes on the GPU the first input alone: the second is sound', () => {
    const args = encoded('gpu', false);
    expect(args.filter((arg) => arg === '-hwaccel')).toHaveLength(1);
    expect(args.indexOf('-hwaccel')).toBeLessThan(args.indexOf('-i'));
  });

  it('makes limited range of full range, and BT.709 of RGB', () => {
    const full = { ...PLAIN_VIDEO, pixelFormat: 'yuvj420p', coding: { ...PLAIN_CODING, fullRange: true } };
    const rgb = { ...PLAIN_VIDEO, pixelFormat: 'gbrp', coding: { ...PLAIN_CODING, matrix: 'gbr', transfer: 'iec61966-2-1' } };
    const filters = (video: typeof PLAIN_VIDEO) => filtersOf(downsampleArguments({ ...PREVIEW, video }));
    expect(filters(full)).toBe('scale=320:180:flags=lanczos:in_range=pc:out_range=tv,setsar=1,format=yuv420p');
    expect(filters(rgb)).toBe('scale=320:180:flags=lanczos:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p');
    expect(colorArguments(rgb, true)).toEqual([
      ...['-color_range', 'tv', '-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'iec61966-2-1'],
    ]);
  });

  it.each([
    [
      'arib-std-b67',
      { matrix: 'bt2020nc', primaries: 'bt2020' },
      'color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc',
    ],
    ['smpte2084', { matrix: undefined, primaries: 'film' }, 'color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc'],
  ])('makes SDR of %s on the small picture, before anything is drawn, and tags it so', (transfer, tags, given) => {
    const video = { ...PLAIN_VIDEO, pixelFormat: 'yuv420p10le', coding: { ...PLAIN_CODING, ...tags, transfer } };
    const args = downsampleArguments({ ...PREVIEW, video });
    const toneMapping = [
      ...[`setparams=range=tv:${given}`, 'zscale=t=linear:npl=100', 'format=gbrpf32le', 'zscale=p=bt709'],
      ...['tonemap=tonemap=mobius', 'zscale=t=bt709:m=bt709:r=tv'],
    ].join(',');
    expect(filtersOf(args)).toBe(`scale=320:180:flags=lanczos,${toneMapping},setsar=1,format=yuv420p`);
    expect(args.join(' ')).toContain('-colorspace bt709 -color_primaries bt709 -color_trc bt709');
    const kept = downsampleArguments({ ...PREVIEW, video, toneMaps: false });
    expect(filtersOf(kept)).toBe(CPU_FILTERS);
    expect(kept.join(' ')).toContain(`-color_trc ${transfer}`);
  });

  it('puts the halves of interlaced pictures together before it scales them', () => {
    const video = { ...PLAIN_VIDEO, coding: { ...PLAIN_CODING, progressive: false } };
    expect(filtersOf(downsampleArguments({ ...PREVIEW, video }))).toBe(`bwdif=mode=send_frame:deint=interlaced,${CPU_FILTERS}`);
  });

  it('leaves out tags that some version would not know', () => {
    const odd = { ...PLAIN_VIDEO, coding: { ...PLAIN_CODING, matrix: 'ictcp', primaries: 'film', transfer: 'smpte2084' } };
    expect(colorArguments(odd, false)).toEqual(['-color_range', 'tv', '-color_trc', 'smpte2084']);
  });

  it.each([
    [true, 25, 1, undefined],
    [true, 60, 1, undefined],
    [true, 240, 1, '60'],
    [false, 2997, 100, '30000/1001'],
    [false, 2388, 100, '24000/1001'],
    [false, 3, 1, '30'],
    [false, 144, 1, '60'],
  ])('brings pictures of constant pace %s and %i/%i a second to %s', (constantRate, numerator, denominator, rate) => {
    expect(steadyRate({ constantRate, frameRate: { numerator, denominator } })).toBe(rate);
  });

  it('evens out the pace before anything else', () => {
    const args = downsampleArguments({ ...PREVIEW, video: { ...PLAIN_VIDEO, constantRate: false } });
    expect(filtersOf(args)).toBe(`fps=25,${CPU_FILTERS}`);
  });
});

describe('copies', () => {
  it('take pictures and AAC as they are, with the index in front', () => {
    const { location, outputFile } = PREVIEW;
    const args = previewCopyArguments({ location, outputFile, video: PLAIN_VIDEO, sound: { audio: AUDIO, copied: true } });
    const streams = ['-map', '0:0', '-map', '0:1', '-c:a', 'copy', '-sn', '-dn', '-map_chapters', '-1', '-c:v', 'copy'];
    expect(args).toEqual([...START, ...GUARDS, ...INPUT, ...streams, ...MP4]);
  });

  it('of clips change only what counts their time', () => {
    const args = clipArguments({
      ...{ location: { url: 'http://127.0.0.1:4000/token' }, video: PLAIN_VIDEO, audioIndex: undefined, frames: 100 },
      ...{ canvas: { width: 640, height: 360, rate: { numerator: 25, denominator: 1 } }, pictures: 'copied' },
      ...{ videoFile: '/w/v.mp4', audioFile: '/w/a.pcm' },
    });
    const track = ['-map', '0:0', '-c:v', 'copy', '-video_track_timescale', '10000', '-map_metadata', '-1', '-f', 'mp4'];
    expect(args).toEqual([...START, ...GUARDS, ...INPUT, ...track, '/w/v.mp4']);
  });
});

describe('proofs', () => {
  it('use what tasks use, and take no answer from a CPU that stood in', () => {
    expect(decoderProofArguments('/w/c.mp4')).toEqual([
      ...[...GLOBAL, '-hwaccel', 'cuda', '-hwaccel_output_format', 'cuda', '-i', '/w/c.mp4'],
      ...['-vf', 'hwdownload,format=nv12', '-f', 'null', '-'],
    ]);
    expect(filtersOf(scalerProofArguments('/w/c.mp4'))).toBe('scale_cuda=192:192:interp_algo=lanczos,hwdownload,format=nv12');
    expect(encoderProofArguments('h264_nvenc')).toEqual(
      expect.arrayContaining(['h264_nvenc', 'p5', 'hq', 'color=black:s=256x256:r=30:d=0.2']),
    );
    expect(encoderProofArguments('av1_nvenc')).toContain('av1_nvenc');
  });
});
