import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measuredPeakDbfs } from '../../../../handlers/ffmpeg/arguments/audio-cut.ts';
import { verifySound } from '../../../../handlers/outputs/verify-sound.ts';
import { wavHeader } from '../../../../handlers/wav.ts';

const SAMPLES = 40_000;

/** Stereo, both channels at `level`, 0 to 1. */
function sound(level: number): Buffer {
  const bytes = Buffer.alloc(SAMPLES * 4);
  for (let offset = 0; offset < bytes.length; offset += 2)
    bytes.writeInt16LE(Math.round(level * 32_767 * Math.sin(offset)), offset);
  return bytes;
}

describe('verifySound', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-sound-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function verify(
    written: Buffer,
    decoded: Buffer,
    more: Partial<Parameters<typeof verifySound>[1]> = {},
  ): Promise<number> {
    const file = join(directory, 'a.wav');
    await writeFile(file, Buffer.concat([wavHeader({ sampleRate: 48_000, channels: 2 }, written.length), written]));
    const samples = written.length / 4;
    return verifySound(file, {
      ...{ samples, soundingSamples: decoded.length / 4, crc: crc32(decoded), sourcePeakDbfs: undefined },
      ...{ sourceRate: 48_000, sourceChannels: 2 },
      ...more,
    });
  }

  it('answers the peak of what it found right', async () => {
    expect(await verify(sound(0.5), sound(0.5), { sourcePeakDbfs: -6.02 })).toBeCloseTo(-6.02, 1);
    expect(await verify(sound(0), sound(0))).toBe(Number.NEGATIVE_INFINITY);
    const padded = Buffer.concat([sound(0.5), Buffer.alloc(400)]);
    expect(await verify(padded, sound(0.5), { sourcePeakDbfs: -6.02 })).toBeCloseTo(-6.02, 1);
  });

  it.each([
    { what: 'silence in place of sound', written: sound(0), decoded: sound(0.5), more: {} },
    {
      what: 'silence that was decoded where the source is loud',
      written: sound(0),
      decoded: sound(0),
      more: { sourcePeakDbfs: -3 },
    },
    { what: 'half the level', written: sound(0.4), decoded: sound(0.4), more: { sourcePeakDbfs: -2 } },
    {
      what: 'silence of another rate',
      written: sound(0),
      decoded: sound(0),
      more: { sourcePeakDbfs: -20, sourceRate: 44_100 },
    },
    {
      what: 'silence of a mix',
      written: sound(0),
      decoded: sound(0),
      more: { sourcePeakDbfs: -20, sourceChannels: 6 },
    },
    { what: 'another length', written: sound(0.5), decoded: sound(0.5), more: { samples: SAMPLES + 1 } },
  ])('refuses $what', async ({ written, decoded, more }) => {
    await expect(verify(written, decoded, more)).rejects.toMatchObject({ code: 'OUTPUT_INVALID', retryable: true });
  });

  it.each([
    { what: 'silence of a quiet source', level: 0, more: { sourcePeakDbfs: -60 } },
    { what: 'silence of a silent source', level: 0, more: { sourcePeakDbfs: Number.NEGATIVE_INFINITY } },
    { what: 'a source that is louder than 16 bits can say', level: 1, more: { sourcePeakDbfs: 4 } },
    { what: 'mono, which is lower on each channel', level: 0.5, more: { sourcePeakDbfs: -3, sourceChannels: 1 } },
    { what: 'a mix that is lower by much', level: 0.05, more: { sourcePeakDbfs: -1, sourceChannels: 6 } },
  ])('takes $what', async ({ level, more }) => {
    await verify(sound(level), sound(level), more);
  });

  it.each([
    ['another count of samples', wavHeader({ sampleRate: 48_000, channels: 2 }, 4000)],
    ['another rate', wavHeader({ sampleRate: 44_100, channels: 2 }, SAMPLES * 4)],
    ['one channel', wavHeader({ sampleRate: 48_000, channels: 1 }, SAMPLES * 4)],
  ])('refuses a header of %s', async (_what, header) => {
    const file = join(directory, 'header.wav');
    await writeFile(file, Buffer.concat([header, sound(0.5)]));
    const expected = { samples: SAMPLES, soundingSamples: SAMPLES, crc: crc32(sound(0.5)), sourcePeakDbfs: undefined };
    await expect(verifySound(file, { ...expected, sourceRate: 48_000, sourceChannels: 2 })).rejects.toMatchObject({
      code: 'OUTPUT_INVALID',
    });
  });
});

describe('measuredPeakDbfs', () => {
  const report = (peak: string) =>
    ['title: Peak level dB: -1', '[Parsed_astats_4 @ 0x1] Channel: 1', '[Parsed_astats_4 @ 0x1] Peak level dB: -99.0']
      .concat([
        '[Parsed_astats_4 @ 0x1] Overall',
        '[Parsed_astats_4 @ 0x1] DC offset: 0.1',
        `[Parsed_astats_4 @ 0x1] Peak level dB: ${peak}`,
      ])
      .join('\n');

  it('reads the level of all channels together', () => {
    expect(measuredPeakDbfs(report('-6.020335'))).toBe(-6.020335);
    expect(measuredPeakDbfs(report('1.5'))).toBe(1.5);
    expect(measuredPeakDbfs(report('-inf'))).toBe(Number.NEGATIVE_INFINITY);
  });

  it('knows that nothing was measured', () => {
    expect(measuredPeakDbfs(report('nan'))).toBeUndefined();
    expect(measuredPeakDbfs('')).toBeUndefined();
  });
});
