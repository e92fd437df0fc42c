/** What jobs, stages and items can be: a sign and a word for each, so that no colour stands alone. */
import { countText } from './format.js';

/** @typedef {import('../documents/jobs.ts').JobSummary['counts']} Counts */
/** @typedef {keyof Counts} CountName */
/** `tone` picks the colour. @typedef {{ readonly sign: string, readonly tone: string, readonly means: string }} Look */

/** @type {Readonly<Record<string, Look>>} */
const LOOKS = {
  done: { sign: '✓', tone: 'good', means: 'All that was asked for is there.' },
  running: { sign: '▸', tone: 'busy', means: 'A run has it.' },
  working: { sign: '▸', tone: 'busy', means: 'Runs are under way, or about to be.' },
  active: { sign: '▸', tone: 'busy', means: 'It has items.' },
  dispatch: { sign: '→', tone: 'busy', means: 'About to be given to a worker.' },
  retrying: { sign: '↻', tone: 'warn', means: 'Failed, and tried again by itself.' },
  held: { sign: '‖', tone: 'warn', means: 'RunPod refused or did not answer; it goes on by itself.' },
  waiting: { sign: '…', tone: 'calm', means: 'Waits for something that people or other programs make.' },
  external: { sign: '◇', tone: 'calm', means: 'Another program has to make it.' },
  failed: { sign: '✕', tone: 'bad', means: 'Failed for good: somebody has to see to it.' },
  blocked: { sign: '✕', tone: 'bad', means: 'A problem stands in the way.' },
  removed: { sign: '∅', tone: 'warn', means: 'It was made, and its output is gone.' },
  cancelled: { sign: '⊘', tone: 'calm', means: 'Somebody has cancelled it.' },
  unknown: { sign: '?', tone: 'warn', means: 'Could not be told; look again.' },
  off: { sign: '–', tone: 'calm', means: 'Nothing asks for it.' },
  empty: { sign: '–', tone: 'calm', means: 'Nothing in it turns a stage on.' },
  claimed: { sign: '→', tone: 'busy', means: 'About to be given to RunPod.' },
  succeeded: { sign: '✓', tone: 'good', means: 'Its output was written.' },
  split: { sign: '⧉', tone: 'good', means: 'The source is long: it was divided into chunks, which are made one by one.' },
  refused: { sign: '‖', tone: 'warn', means: 'RunPod refused it; that costs no attempt.' },
};
/** @type {Look} */
const NO_LOOK = { sign: '?', tone: 'calm', means: '' };

/** @param {string} word */
export const lookOf = (word) => (Object.hasOwn(LOOKS, word) ? (LOOKS[word] ?? NO_LOOK) : NO_LOOK);

/** In the order in which they are shown: what needs somebody comes first. @type {readonly CountName[]} */
export const PHASES = [
  'failed',
  'removed',
  'unknown',
  'retrying',
  'held',
  'running',
  'dispatch',
  'waiting',
  'external',
  'cancelled',
  'done',
];

export const JOB_STATES = ['failed', 'held', 'working', 'waiting', 'cancelled', 'done', 'empty'];

/** `3 of 12 done, 1 failed, 8 running`. @param {Counts} counts */
export function countsText(counts) {
  if (counts.total === 0) return 'no items';
  const rest = PHASES.filter((phase) => phase !== 'done' && counts[phase] > 0);
  return [
    `${countText(counts.done)} of ${countText(counts.total)} done`,
    ...rest.map((phase) => `${countText(counts[phase])} ${phase === 'dispatch' ? 'to dispatch' : phase}`),
  ].join(', ');
}
