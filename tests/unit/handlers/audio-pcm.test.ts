import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pcmLayout, pcmSpan } from '../../../handlers/audio-pcm.ts';
import { wavHeader } from '../../../handlers/wav.ts';

const FORMAT = { sampleRate: 48_000, channels: 2 };
const SOUND = Buffer.from(Array.from({ length: 4000 }, (_, index) => index % 256));

function chunk(name: string, bytes: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, 'latin1');
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes, Buffer.alloc(bytes.length % 2)]);
}

describe('plain PCM masters', () => {
  let file: string;
  beforeAll(async () => {
    file = join(await mkdtemp(join(tmpdir(), 'millrace-pcm-')), 'a.wav');
  });
  afterAll(() => rm(join(file, '..'), { recursive: true, force: true }));

  async function layoutOf(bytes: Buffer) {
    await writeFile(file, bytes);
    return pcmLayout({ file });
  }
  const plain = Buffer.concat([wavHeader(FORMAT, SOUND.length), SOUND]);

  it('are found, and cut where the samples are', async () => {
    const layout = await layoutOf(plain);
    expect(layout).toEqual({ offsetBytes: 44, samples: 1000 });
    if (layout === undefined) return;
    const cut = async (start: number, count: number) =>
      Buffer.concat(await Array.fromAsync(pcmSpan({ file }, layout, { start, count })));
    expect((await cut(0, 10)).equals(SOUND.subarray(0, 40))).toBe(true);
    expect((await cut(990, 50)).equals(SOUND.subarray(3960))).toBe(true);
    expect(await cut(1000, 1)).toHaveLength(0);
    expect(await cut(5000, 1)).toHaveLength(0);
  });

  it('are found behind other chunks, of odd length too, and before them', async () => {
    const [riff, format] = [plain.subarray(0, 12), plain.subarray(12, 36)];
    const extras = [chunk('LIST', Buffer.from('odd')), format, chunk('bext', Buffer.alloc(602))];
    const bytes = Buffer.concat([riff, ...extras, chunk('data', SOUND), chunk('id3 ', Buffer.alloc(7))]);
    expect(await layoutOf(bytes)).toEqual({ offsetBytes: 12 + 12 + 24 + 610 + 8, samples: 1000 });
  });

  it.each([
    ['another rate', Buffer.concat([wavHeader({ ...FORMAT, sampleRate: 44_100 }, SOUND.length), SOUND])],
    ['one channel', Buffer.concat([wavHeader({ ...FORMAT, channels: 1 }, SOUND.length), SOUND])],
    ['a file that breaks off', plain.subarray(0, 3000)],
    ['a size that is not known yet', Buffer.concat([wavHeader(FORMAT, 0), SOUND])],
    ['a header alone', plain.subarray(0, 20)],
    ['nothing', Buffer.alloc(0)],
    ['something else', Buffer.from('#EXTM3U\n'.repeat(20))],
    [
      'chunks without an end',
      Buffer.concat([
        plain.subarray(0, 12),
        ...Array.from({ length: 80 }, () => chunk('junk', Buffer.alloc(2))),
        plain.subarray(12),
      ]),
    ],
  ])('are left to ffmpeg where there is %s', async (_what, bytes) => {
    expect(await layoutOf(bytes)).toBeUndefined();
  });
});
