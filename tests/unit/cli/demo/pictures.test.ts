import { describe, expect, test } from 'vitest';
import { changedAtTheBottom, soundDifference } from '../../../../cli/demo/pictures.ts';

describe('changedAtTheBottom', () => {
  const size = { width: 10, height: 8 };
  const frame = (bright: readonly number[] = []) => {
    const pixels = Buffer.alloc(80, 40);
    for (const pixel of bright) pixels[pixel] = 235;
    return pixels;
  };

  test('counts clearly changed pixels in the lowest quarter alone', () => {
    expect(changedAtTheBottom(frame(), frame([0, 59, 60, 61, 79]), size)).toBe(3 / 20);
  });

  test('takes what encoding again does for no change', () => {
    const noisy = frame().map((value, index) => value + (index % 20));

    expect(changedAtTheBottom(frame(), Buffer.from(noisy), size)).toBe(0);
  });

  test('is no number where a frame is missing or of another size', () => {
    expect(changedAtTheBottom(frame(), Buffer.alloc(0), size)).toBeNaN();
    expect(changedAtTheBottom(Buffer.alloc(4), Buffer.alloc(4), size)).toBeNaN();
  });
});

describe('soundDifference', () => {
  const tone = (shiftSamples: number, count = 4800) => {
    const bytes = Buffer.alloc(count * 2);
    for (let sample = 0; sample < count; sample += 1) {
      bytes.writeInt16LE(Math.round(9000 * Math.sin(((sample + shiftSamples) * 2 * Math.PI * 300) / 48_000)), sample * 2);
    }
    return bytes;
  };

  test('is 0 for the same sound and more than the demo allows for a shift by one sample', () => {
    expect(soundDifference(tone(0), tone(0))).toBe(0);
    expect(soundDifference(tone(0), tone(1))).toBeGreaterThan(0.03);
  });

  test('is Infinity against silence and for another length', () => {
    expect(soundDifference(Buffer.alloc(9600), tone(0))).toBe(Number.POSITIVE_INFINITY);
    expect(soundDifference(tone(0), tone(0, 100))).toBe(Number.POSITIVE_INFINITY);
  });
});
