/** Four seconds of what most videos are. */
import type { VideoStream } from '../../../handlers/ffmpeg/probe.ts';
import type { VideoCoding } from '../../../handlers/ffmpeg/video-coding.ts';

export const PLAIN_CODING: VideoCoding = {
  ...{ profile: 'High', level: 30, progressive: true, turned: false, squarePixels: true, fullRange: false },
  ...{ matrix: undefined, primaries: undefined, transfer: undefined },
  ...{ bitsPerSecond: 500_000, startSeconds: 0, configurationHash: 'MD5:0123' },
};

export const PLAIN_VIDEO: VideoStream = {
  ...{ index: 0, codec: 'h264', width: 640, height: 360, displayWidth: 640, displayHeight: 360, pixelFormat: 'yuv420p' },
  ...{ frameRate: { numerator: 25, denominator: 1 }, constantRate: true, durationSeconds: 4, frames: 100 },
  coding: PLAIN_CODING,
};
