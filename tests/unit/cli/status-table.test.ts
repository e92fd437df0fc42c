import { describe, expect, it } from 'vitest';
import { statusNotes } from '../../../cli/status-table.ts';
import { planOf, stageOf } from './demo/planned.ts';

const plain = { style: (_: unknown, text: string) => text };

describe('what somebody must see to', () => {
  it('names what has failed and what is gone, item by item', () => {
    const notes = statusNotes(planOf(stageOf('segmentation', ['done', 'failed', 'removed', 'running'])), plain);
    expect(notes).toEqual(['failed segmentation/1: ', 'removed segmentation/2: ']);
  });

  it('is counted where there is much of it, so that the table stays on the screen', () => {
    const notes = statusNotes(planOf(stageOf('segmentation', Array<'failed'>(1000).fill('failed'))), plain);
    expect(notes).toHaveLength(21);
    expect(notes.at(-1)).toMatch(/^… and 980 more: millrace status \S+ --json has them all$/);
  });
});
