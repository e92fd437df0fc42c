import { describe, expect, it } from 'vitest';
import { ffmpegFailure, safeTail } from '../../../../handlers/ffmpeg/failure.ts';
import { errorOf } from '../../../../handlers/results.ts';

const failureOf = (stderrTail: string) =>
  ffmpegFailure({ exitCode: 1, signal: undefined, timedOut: false, notStarted: false, stderrTail });

describe('the tail of stderr', () => {
  it('goes into results without URLs, folders and control characters', () => {
    const error = errorOf(
      failureOf(
        '[mp3 @ 0x5] odd\r\n/tmp/work/task-a/in.mp4: bad\nhttp://127.0.0.1:99/t0k3n?X-Amz-Signature=s: \u001b[1mInvalid data\n',
      ),
    );
    expect(error).toMatchObject({ code: 'FFMPEG_FAILED', stderr_tail: '[mp3] odd\nin.mp4: bad\nthe input: [1mInvalid data' });
  });

  it('is bounded, and is the end', () => {
    const tail = safeTail(Array.from({ length: 500 }, (_, index) => `line ${index} ${'x'.repeat(200)}`).join('\n'));
    expect(tail.length).toBeLessThanOrEqual(2000);
    expect(tail).toContain('line 499');
    expect(safeTail('a\n'.repeat(500)).split('\n')).toHaveLength(20);
  });

  it('is not there where ffmpeg said nothing', () => {
    expect(errorOf(failureOf(''))).not.toHaveProperty('stderr_tail');
  });

  it('holds no reports, and a title that sounds like an error is none', () => {
    const report = [
      "Input #0, wav, from 'http://127.0.0.1:1/x':",
      '  Metadata:',
      '    title           : No space left on device',
    ];
    const error = failureOf(
      [...report, 'x: Invalid data found when processing input', '[Parsed_astats_4 @ 0x1] Overall'].join('\n'),
    );
    expect(error).toMatchObject({
      code: 'INPUT_INVALID',
      context: { stderr_tail: 'x: Invalid data found when processing input' },
    });
  });
});
