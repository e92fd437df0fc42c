import { expect, it } from 'vitest';
import { createMasterFacts, type KnownMaster } from '../../../handlers/audio-master-facts.ts';

const MASTER: KnownMaster = {
  ...{ streamIndex: 0, sampleRate: 48_000, channels: 2, durationSeconds: 7200 },
  ...{ delaySeconds: 0, pcm: undefined, preparation: 'none' },
};

it('knows a master again by its identity, and keeps nothing of one without', () => {
  const facts = createMasterFacts();
  facts.keep('a v1', MASTER);
  facts.keep(undefined, MASTER);
  expect(facts.find('a v1')).toBe(MASTER);
  expect(facts.find('a v2')).toBeUndefined();
  expect(facts.find(undefined)).toBeUndefined();
});

it('forgets the master that was kept longest ago', () => {
  const facts = createMasterFacts(2);
  for (const identity of ['a', 'b', 'a', 'c']) facts.keep(identity, MASTER);
  expect(['a', 'b', 'c'].map((identity) => facts.find(identity) !== undefined)).toEqual([true, false, true]);
});
