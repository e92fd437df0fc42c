import { describe, expect, it } from 'vitest';
import { frameRate, mediaInfo } from '../../../../handlers/ffmpeg/probe.ts';

const video = {
  index: 0,
  codec_type: 'video',
  codec_name: 'h264',
  width: 1920,
  height: 1080,
  avg_frame_rate: '25/1',
  r_frame_rate: '25/1',
  duration: '4.000000',
};
const json = (...streams: object[]) => JSON.stringify({ streams, format: { format_name: 'mov,mp4', duration: '4.02' } });

describe('mediaInfo', () => {
  it.each([
    ['a display matrix', { side_data_list: [{ side_data_type: 'Content light level' }, { rotation: -90 }] }],
    ['a tag, as old versions tell it', { tags: { rotate: '270' } }],
  ])('turns the size upright by %s', (_how, more) => {
    expect(mediaInfo(json({ ...video, ...more })).video).toMatchObject({
      width: 1920,
      height: 1080,
      displayWidth: 1080,
      displayHeight: 1920,
    });
  });

  it('shows oblong pixels as square ones', () => {
    const { video: found } = mediaInfo(json({ ...video, width: 720, height: 576, sample_aspect_ratio: '64:45' }));
    expect(found).toMatchObject({ displayWidth: 1024, displayHeight: 576 });
  });

  it('passes over cover pictures', () => {
    const cover = { ...video, codec_name: 'mjpeg', disposition: { attached_pic: 1 } };
    const sound = { index: 1, codec_type: 'audio', codec_name: 'mp3', sample_rate: '44100', channels: 2 };
    expect(mediaInfo(json(cover, sound))).toMatchObject({ video: undefined, audio: { index: 1, sampleRate: 44_100 } });
  });

  it.each([
    ['later than its pictures', { start_time: '0.500' }, { start_time: '0.000' }, 0.5],
    ['with them', { start_time: '0.001' }, { start_time: '0.000' }, undefined],
    [
      'later in MPEG-TS, which ffmpeg moves to the beginning',
      { start_time: '1.9' },
      { start_time: '1.4', format_name: 'mpegts' },
      undefined,
    ],
    ['nobody knows when', {}, { start_time: '0.000' }, undefined],
  ])('tells of sound that begins %s', (_what, stream, format, delaySeconds) => {
    const sound = { index: 1, codec_type: 'audio', codec_name: 'aac', sample_rate: '48000', channels: 2, ...stream };
    const described = (...streams: object[]) =>
      mediaInfo(JSON.stringify({ streams, format: { format_name: 'mov,mp4', ...format } })).audio?.delaySeconds;
    expect(described(video, sound)).toBe(delaySeconds);
    // Without pictures there is nothing to be late for.
    expect(described(sound)).toBeUndefined();
  });

  it.each([
    ['turned', { side_data_list: [{ side_data_type: 'Display Matrix', rotation: -90 }] }, { turned: true }],
    ['mirrored', { side_data_list: [{ side_data_type: 'Display Matrix', rotation: 0 }] }, { turned: true }],
    ['of full range by tag', { color_range: 'pc' }, { fullRange: true }],
    ['of full range by pixel format', { pix_fmt: 'yuvj420p' }, { fullRange: true }],
    ['interlaced', { field_order: 'tt' }, { progressive: false }],
    ['progressive', { field_order: 'progressive' }, { progressive: true, turned: false, fullRange: false }],
    ['untagged', { color_space: 'unknown' }, { matrix: undefined }],
    ['tagged', { color_space: 'bt2020nc', color_transfer: 'smpte2084' }, { matrix: 'bt2020nc', transfer: 'smpte2084' }],
  ])('tells that pictures are %s', (_what, more, coding) => {
    expect(mediaInfo(json({ ...video, ...more })).video?.coding).toMatchObject(coding);
  });

  it.each([
    ['by its tag', { DURATION: '00:01:02.500000000' }, { duration: '66.5' }, 62.5],
    ['by a tag with a language', { 'DURATION-eng': '00:01:02.500000000' }, { duration: '66.5' }, 62.5],
    ['from its start, where the tag says its end', { DURATION: '00:01:02.500' }, { start_time: '60', duration: '66.5' }, 2.5],
    [
      'by mkvmerge, which counts from the start itself',
      { DURATION: '00:00:02.500', '_STATISTICS_TAGS-eng': 'x' },
      { start_time: '60', duration: '66.5' },
      2.5,
    ],
    ['not by a tag of a longer file', { DURATION: '01:00:00.000' }, { duration: '66.5' }, undefined],
    ['not at all', {}, { duration: '66.5' }, undefined],
  ])('tells how long a stream of Matroska lasts %s', (_what, tags, format, durationSeconds) => {
    const { duration: _, ...stream } = video;
    const start_time = 'start_time' in format ? format.start_time : '0.000';
    const streams = [{ ...stream, start_time, tags }];
    const info = mediaInfo(JSON.stringify({ streams, format: { format_name: 'matroska,webm', ...format } }));
    expect(info.video?.durationSeconds).toBe(durationSeconds);
    expect(info.durationSeconds).toBe(Number(format.duration) - Number(start_time));
  });

  it('passes over thumbnails on the way to the video', () => {
    const thumbnails = { ...video, width: 160, height: 90, disposition: { timed_thumbnails: 1 } };
    expect(mediaInfo(json(thumbnails, { ...video, index: 1 })).video?.index).toBe(1);
  });

  it('tells an even pace from an uneven one', () => {
    expect(mediaInfo(json(video)).video?.constantRate).toBe(true);
    expect(mediaInfo(json({ ...video, r_frame_rate: '60/1' })).video?.constantRate).toBe(false);
  });

  it('counts samples only where they are exact', () => {
    const pcm = {
      index: 0,
      codec_type: 'audio',
      codec_name: 'pcm_s16le',
      sample_rate: '48000',
      channels: 2,
      duration_ts: 96_000,
    };
    expect(mediaInfo(json(pcm)).audio?.samples).toBe(96_000);
    expect(mediaInfo(json({ ...pcm, codec_name: 'aac' })).audio?.samples).toBeUndefined();
  });

  it('says CODEC_UNSUPPORTED for a codec without a name, and INPUT_INVALID for what is no description', () => {
    expect(() => mediaInfo(json({ ...video, codec_name: 'unknown' }))).toThrow(
      expect.objectContaining({ code: 'CODEC_UNSUPPORTED' }),
    );
    expect(() => mediaInfo('not json')).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });

  it('does not take a time base for a rate', () => {
    expect(frameRate('90000/1')).toBeUndefined();
    expect(frameRate('0/0')).toBeUndefined();
    expect(frameRate('30000/1001')).toEqual({ numerator: 30_000, denominator: 1001 });
  });
});
