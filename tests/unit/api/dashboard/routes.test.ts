import { describe, expect, it } from 'vitest';
import { itemLink, jobLink, jobsLink, letterLink, lettersLink, readRoute } from '../../../../api/dashboard/routes.js';

const read = (hash: string) => {
  const { page, names, query } = readRoute(hash);
  return [page, names, Object.fromEntries(query)];
};

describe('addresses on the dashboard', () => {
  it.each([
    ['', ['jobs', [], {}]],
    ['#/', ['jobs', [], {}]],
    [jobsLink({ after: 'talk-1', state: 'failed', q: '' }), ['jobs', [], { after: 'talk-1', state: 'failed' }]],
    [
      jobLink('talk-1', { stage: 'segmentation', after: 'segmentation/49' }),
      ['job', ['talk-1'], { stage: 'segmentation', after: 'segmentation/49' }],
    ],
    [jobLink('a/b?c#d&e'), ['job', ['a/b?c#d&e'], {}]],
    [itemLink('talk-1', 'segmentation', '57'), ['item', ['talk-1', 'segmentation', '57'], {}]],
    [lettersLink({ contains: 'a?b' }), ['letters', [], { contains: 'a?b' }]],
    [letterLink('a/b=='), ['letter', ['a/b=='], {}]],
    ['#/jobs/talk-1/items/segmentation/x', ['nothing', [], {}]],
    ['#/jobs/%E0%A4', ['nothing', [], {}]],
    ['#/elsewhere', ['nothing', [], {}]],
  ])('%s', (hash, expected) => expect(read(hash)).toEqual(expected));
});
