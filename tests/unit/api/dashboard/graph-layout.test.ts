import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOX_HEIGHT, layOut } from '../../../../api/dashboard/graph-layout.js';

const BUILT_IN = [
  { name: 'staging', after: [] },
  { name: 'segmentation', after: ['staging'] },
  { name: 'downsample', after: ['staging'] },
  { name: 'clips', after: [] },
  { name: 'concatenation', after: ['clips'] },
  { name: 'encoding', after: ['staging', 'concatenation'] },
];

type Layout = ReturnType<typeof layOut>;

const placeOf = ({ places }: Layout, name: string) =>
  places.find((place) => place.name === name) ?? { x: Number.NaN, y: Number.NaN };

/** Graphs as the API sends them: a stage reads stages before it. */
const graphs = fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 1, maxLength: 12 }).map((stages) =>
  stages.map((reads, index) => ({
    name: `s${index}`,
    after: [...new Set(reads.filter((read) => read < index).map((read) => `s${read}`))],
  })),
);

describe('the graph of the stages', () => {
  it.each([
    [1200, 'across'],
    [640, 'down'],
    [320, 'list'],
  ])('in %i pixels goes %s', (width, shape) => {
    const layout = layOut(BUILT_IN, width);
    expect(layout.shape).toBe(shape);
    expect(layout.width).toBeLessThanOrEqual(width);
  });

  it('has a stage behind all that it reads', () => {
    const layout = layOut(BUILT_IN, 1200);
    expect(placeOf(layout, 'segmentation').x).toBeGreaterThan(placeOf(layout, 'staging').x);
    expect(placeOf(layout, 'encoding').x).toBeGreaterThan(placeOf(layout, 'concatenation').x);
    expect(layout.edges).toHaveLength(5);
  });

  it('leads an arrow past the stages that are none of its business', () => {
    const layout = layOut(BUILT_IN, 1200);
    const edge = layout.edges.find(({ from, to }) => from === 'staging' && to === 'encoding');
    const passes = /L(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)/.exec(edge?.path ?? '');
    const y = Number(passes?.[2]);
    for (const name of ['segmentation', 'downsample', 'concatenation']) {
      const box = placeOf(layout, name);
      expect(y < box.y || y > box.y + BOX_HEIGHT, name).toBe(true);
    }
  });

  it('has no two boxes in one place, and none outside', () => {
    fc.assert(
      fc.property(graphs, fc.integer({ min: 200, max: 2000 }), (stages, width) => {
        const layout = layOut(stages, width);
        expect(layout.places.map(({ name }) => name).sort()).toEqual(stages.map(({ name }) => name).sort());
        for (const [index, a] of layout.places.entries()) {
          expect(a.x >= 0 && a.y >= 0 && a.x + layout.boxWidth <= layout.width && a.y + BOX_HEIGHT <= layout.height).toBe(true);
          for (const b of layout.places.slice(index + 1)) {
            const isApart = Math.abs(a.x - b.x) >= layout.boxWidth || Math.abs(a.y - b.y) >= BOX_HEIGHT;
            expect(isApart, `${a.name} and ${b.name}`).toBe(true);
          }
        }
        const count = stages.reduce((sum, { after }) => sum + after.length, 0);
        expect(layout.edges).toHaveLength(layout.shape === 'list' ? 0 : count);
      }),
    );
  });

  it('stands circles and names that nobody bears', () => {
    const odd = [
      { name: 'a', after: ['b', 'nobody'] },
      { name: 'b', after: ['a'] },
    ];
    expect(layOut(odd, 1200).places).toHaveLength(2);
    expect(layOut([], 1200)).toMatchObject({ places: [], edges: [] });
  });
});
