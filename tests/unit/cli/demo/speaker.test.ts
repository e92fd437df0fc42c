import { describe, expect, test } from 'vitest';
import { speakerScene } from '../../../../cli/demo/speaker.ts';

describe('speakerScene', () => {
  const scene = { width: 640, height: 360, durationSeconds: 5, speechSeconds: 4, index: 1 };

  test('closes the mouth when the speech ends', () => {
    const mouth = speakerScene(scene).split('\n').at(-2) ?? '';
    const moves = [...mouth.matchAll(/\\t\((\d+),(\d+),\\fscy(\d+)\)/g)].map(([, from, to, open]) =>
      [from, to, open].map(Number),
    );

    expect(moves.length).toBeGreaterThan(20);
    expect(moves.at(-1)).toEqual([3780, 3920, 14]);
  });

  test('differs from segment to segment', () => {
    expect(speakerScene(scene)).not.toBe(speakerScene({ ...scene, index: 2 }));
  });
});
