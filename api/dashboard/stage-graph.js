/** The stages of a job as a graph: a box for each, arrows from what it reads. A box leads to its items. */
import { badge, bar } from './badge.js';
import { h, show, svg } from './element.js';
import { BOX_HEIGHT, layOut } from './graph-layout.js';
import { countsText, lookOf } from './phases.js';
import { jobLink } from './routes.js';

/** @typedef {import('../documents/job.ts').JobView} JobView */
/** @typedef {JobView['stages'][number]} Stage */

/** Around the boxes, so that the ring of one in focus is seen whole; as in job.css. */
const FRAME = 3;

/** @param {AbortSignal} signal */
export function stageGraph(signal) {
  const drawing = h('div', { class: 'graph' });
  const element = h('div', { class: 'graph-frame' }, drawing);
  /** @type {JobView | undefined} */
  let view;
  let drawn = '';

  function draw() {
    const width = element.clientWidth - 2 * FRAME;
    if (view === undefined || width <= 0) return;
    const { job_id: job, stages } = view;
    const now = JSON.stringify([width, stages]);
    if (now === drawn) return;
    drawn = now;
    const layout = layOut(stages, width);
    const focused = document.activeElement?.getAttribute('data-stage');
    const lines = svg(
      'svg',
      { width: layout.width, height: layout.height, 'aria-hidden': 'true' },
      svg(
        'defs',
        {},
        svg(
          'marker',
          {
            id: 'head',
            viewBox: '0 0 8 8',
            refX: 1,
            refY: 4,
            markerWidth: 7,
            markerHeight: 7,
            orient: 'auto',
            markerUnits: 'userSpaceOnUse',
          },
          svg('path', { d: 'M0,0 L8,4 L0,8 z', class: 'arrow-head' }),
        ),
      ),
      ...layout.edges.map(({ path }) => svg('path', { d: path, class: 'arrow', 'marker-end': 'url(#head)' })),
    );
    const boxes = stages.map((stage) => {
      const box = h('li', {}, stageBox(job, stage, layout.shape === 'list'));
      const place = layout.places.find(({ name }) => name === stage.name);
      // Through the object model: the page's policy allows no style attributes.
      Object.assign(box.style, {
        left: `${place?.x}px`,
        top: `${place?.y}px`,
        width: `${layout.boxWidth}px`,
        height: `${BOX_HEIGHT}px`,
      });
      return box;
    });
    Object.assign(drawing.style, { width: `${layout.width}px`, height: `${layout.height}px` });
    show(drawing, lines, h('ol', { 'aria-label': 'Stages' }, ...boxes));
    if (focused) {
      const box = drawing.querySelector(`[data-stage="${CSS.escape(focused)}"]`);
      if (box instanceof HTMLElement) box.focus();
    }
  }

  const observer = new ResizeObserver(draw);
  observer.observe(element);
  signal.addEventListener('abort', () => observer.disconnect());
  return {
    element,
    /** @param {JobView} next */
    update(next) {
      view = next;
      draw();
    },
  };
}

/** @param {string} job @param {Stage} stage @param {boolean} saysAfter where no arrow does */
function stageBox(job, { name, phase, why, description, maker, after, counts }, saysAfter) {
  const shown = shownPhase(phase, counts);
  const makerText = maker === 'external' ? 'another program' : maker;
  const afterText = after.length === 0 ? null : `after ${after.join(', ')}`;
  return h(
    'a',
    {
      class: `stage tone-${lookOf(shown).tone}${phase === 'off' ? ' is-off' : ''}`,
      href: jobLink(job, { stage: name }),
      'data-stage': name,
      title: [description, why].filter(Boolean).join('\n'),
    },
    h('span', { class: 'stage-top' }, h('strong', {}, name), badge(shown)),
    h(
      'span',
      { class: 'maker' },
      makerText,
      afterText === null ? null : h('span', { class: saysAfter ? null : 'unseen' }, ` ${afterText}`),
    ),
    counts.total === 0 ? null : bar(counts),
    h('span', { class: 'stage-counts' }, counts.total === 0 ? why || 'Nothing asks for it.' : countsText(counts)),
  );
}

/** A stage of which items are worked on is one word; what matters most in it is that word. @param {Stage['phase']} phase @param {Stage['counts']} counts */
function shownPhase(phase, counts) {
  if (phase !== 'active') return phase;
  /** @type {readonly (keyof Stage['counts'])[]} */
  const order = ['failed', 'held', 'retrying', 'running', 'dispatch', 'unknown', 'removed', 'external', 'waiting', 'cancelled'];
  return order.find((each) => counts[each] > 0) ?? 'done';
}
