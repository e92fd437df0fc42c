import { describe, expect, it } from 'vitest';
import { commandParts } from '../../../../api/dashboard/advice.js';
import { idsOfGroup } from '../../../../api/dashboard/letter-choice.js';
import { peaksOf, seekByKey } from '../../../../api/dashboard/peaks.js';
import { countsText, lookOf, PHASES, JOB_STATES as SHOWN_STATES } from '../../../../api/dashboard/phases.js';
import { ITEM_PHASES, STAGE_PHASES } from '../../../../api/documents/job.ts';
import { JOB_STATES } from '../../../../api/documents/jobs.ts';
import { RESULT_STATUSES } from '../../../../manifests/result.ts';
import { adviceFor } from '../../../../pipeline/advice.ts';

const NONE = Object.fromEntries(ITEM_PHASES.map((phase) => [phase, 0])) as Record<(typeof ITEM_PHASES)[number], number>;

describe('words on the dashboard', () => {
  it('has a sign and a meaning for whatever the API can say', () => {
    for (const word of [...ITEM_PHASES, ...STAGE_PHASES, ...JOB_STATES, ...RESULT_STATUSES, 'claimed']) {
      expect(lookOf(word), word).toMatchObject({ sign: expect.stringMatching(/^.$/u), means: expect.stringMatching(/./) });
    }
    expect([...PHASES].sort()).toEqual([...ITEM_PHASES].sort());
    expect([...SHOWN_STATES].sort()).toEqual([...JOB_STATES].sort());
    expect(lookOf('constructor')).toMatchObject({ sign: '?' });
  });

  it('counts what is done first, and leaves out what there is none of', () => {
    expect(countsText({ ...NONE, total: 0 })).toBe('no items');
    expect(countsText({ ...NONE, total: 10_012, done: 3, failed: 1, dispatch: 10_008 })).toBe(
      '3 of 10,012 done, 1 failed, 10,008 to dispatch',
    );
  });

  it.each(ITEM_PHASES)('sets the command apart in the advice for an item that is %s, and loses no word', (phase) => {
    const advice = adviceFor({ phase, stage: 'segmentation', item: '57' }, 'talk-1');
    const parts = commandParts(advice);
    expect(parts.map(({ text }) => text).join('')).toBe(advice);
    const commands = parts.filter(({ isCommand }) => isCommand).map(({ text }) => text);
    expect(commands).toHaveLength(advice.includes('millrace ') ? 1 : 0);
    for (const command of commands) {
      expect(command).toMatch(/^millrace [a-z]+ talk-1( segmentation\/57| --stage segmentation --item 57)?$/);
    }
  });

  it('takes what stands between backticks for a command', () => {
    expect(commandParts('First `millrace validate`.')).toEqual([
      { text: 'First ', isCommand: false },
      { text: 'millrace validate', isCommand: true },
      { text: '.', isCommand: false },
    ]);
  });
});

describe('the dead letters of a group', () => {
  const list = [
    { id: '1', code: 'MAX_RECEIVES', jobs: ['talk-1'], stages: ['clips'] },
    { id: '2', code: 'MAX_RECEIVES', jobs: [], stages: [] },
    { id: '3', code: 'MAX_RECEIVES', jobs: ['talk-1', 'talk-2'], stages: ['clips'] },
    { id: '4', code: 'MESSAGE_NOT_JSON', jobs: [], stages: [] },
  ];

  it.each([
    [{ code: 'MAX_RECEIVES', job: 'talk-1', stage: 'clips' }, ['1']],
    [{ code: 'MAX_RECEIVES', job: null, stage: null }, ['2']],
    [{ code: 'MAX_RECEIVES', job: 'several', stage: 'clips' }, ['3']],
    [{ code: 'NOTHING', job: null, stage: null }, []],
  ])('%o', (group, ids) => expect(idsOfGroup(group, list)).toEqual(ids));
});

describe('a waveform', () => {
  it('has the loudest of each part, whichever sign it has', () => {
    expect([...peaksOf(Float32Array.of(0, 0.5, -0.75, 0.25, 0, 2), 3)]).toEqual([0.5, 0.75, 1]);
  });

  it('is as long as asked for, however short the sound', () => {
    expect([...peaksOf(Float32Array.of(0.5), 3)]).toEqual([0.5, 0.5, 0.5]);
    expect([...peaksOf(new Float32Array(0), 2)]).toEqual([0, 0]);
  });

  it.each([
    ['Home', 30, 0],
    ['End', 30, 60],
    ['ArrowRight', 58, 60],
    ['ArrowLeft', 3, 0],
    ['PageDown', 45, 15],
    ['x', 30, null],
  ])('is moved in by %s', (key, from, to) => expect(seekByKey(key, from, 60)).toBe(to));
});
