import { describe, expect, it } from 'vitest';
import { createInputMemory } from '../../../../handlers/inputs/chunk-memory.ts';

const chunk = (text: string) => [Buffer.from(text)];

describe('the memory of inputs', () => {
  it('gives back what was kept of the same version, and nothing of another', () => {
    const memory = createInputMemory();
    memory.chunksOf('a v1').keep(3, chunk('third'));
    expect(memory.chunksOf('a v1').get(3)?.join('')).toBe('third');
    expect(memory.chunksOf('a v1').get(2)).toBeUndefined();
    expect(memory.chunksOf('a v2').get(3)).toBeUndefined();
  });

  it('lets go of what was used longest ago, of all inputs together', () => {
    const memory = createInputMemory(2);
    const [a, b] = [memory.chunksOf('a'), memory.chunksOf('b')];
    a.keep(0, chunk('a0'));
    b.keep(0, chunk('b0'));
    a.get(0);
    b.keep(1, chunk('b1'));
    expect(a.get(0)?.join('')).toBe('a0');
    expect(b.get(0)).toBeUndefined();
  });

  it('keeps nothing where it may not', () => {
    const chunks = createInputMemory(0).chunksOf('a');
    chunks.keep(0, chunk('a0'));
    expect(chunks.get(0)).toBeUndefined();
  });
});
