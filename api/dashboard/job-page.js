/** `#/jobs/{job}`: one job, as it is at this moment. */
import { announce } from './announcer.js';
import { ApiError } from './ask.js';
import { attention } from './attention.js';
import { badge, changeBadge } from './badge.js';
import { h, setText, show } from './element.js';
import { filesList } from './files-list.js';
import { costText } from './format.js';
import { itemsTable } from './items-table.js';
import { actionButtons, retry } from './job-actions.js';
import { followJob } from './job-stream.js';
import { countsText, lookOf } from './phases.js';
import { problemNotice } from './problem-notice.js';
import { jobsLink } from './routes.js';
import { stageGraph } from './stage-graph.js';
import { ago } from './time.js';

/** @typedef {import('../documents/job.ts').JobView} JobView */

/** @type {Readonly<Record<import('./job-stream.js').StreamState | 'missing', string>>} */
const STREAM_TEXTS = {
  connecting: 'connecting …',
  live: '● live',
  lost: '○ connection lost, trying again …',
  ended: 'ended; looked at again every 5 s',
  paused: 'paused',
  missing: 'looked for again every few seconds',
};

/** @type {import('./main.js').Page} */
export function jobPage({ main, signal, route }) {
  const [job = ''] = route.names;
  document.title = `${job} – Millrace`;
  /** @type {JobView | undefined} */
  let view;
  let revision = '';

  const state = badge('unknown');
  state.hidden = true;
  const live = h('span', { class: 'live', 'data-state': 'connecting' }, STREAM_TEXTS.connecting);
  const fault = h('div', {});
  const outcome = h('p', { class: 'outcome', role: 'status' });
  const actions = h('div', { class: 'actions', role: 'group', 'aria-label': `What can be done with ${job}` });
  const facts = h('p', { class: 'facts' });
  const needs = attention(onRetry);
  const graph = stageGraph(signal);
  const items = itemsTable({ job, query: route.query, signal, onRetry });
  const files = filesList();
  const content = h(
    'div',
    { hidden: true },
    needs.element,
    h('section', { 'aria-labelledby': 'stages-title' }, h('h2', { id: 'stages-title' }, 'Stages'), graph.element),
    items.element,
    files.element,
  );
  show(
    main,
    h(
      'nav',
      { class: 'crumbs', 'aria-label': 'Where this is' },
      h('a', { href: jobsLink() }, 'Jobs'),
      h('span', { 'aria-hidden': 'true' }, ' / '),
    ),
    h('div', { class: 'title' }, h('h1', {}, job), state, live),
    facts,
    actions,
    outcome,
    fault,
    content,
  );

  /** @param {keyof typeof STREAM_TEXTS} word */
  function showLive(word) {
    live.dataset.state = word;
    setText(live, STREAM_TEXTS[word]);
  }

  /** @param {string} text */
  function onDone(text) {
    show(fault);
    setText(outcome, text);
    stream.again();
  }

  /** @param {unknown} thrown */
  function onError(thrown) {
    if (thrown instanceof ApiError && thrown.problem.code === 'NOT_FOUND') showLive('missing');
    show(fault, problemNotice(thrown));
  }

  /** @param {import('../documents/job.ts').Item} item */
  async function onRetry({ stage, item }) {
    try {
      onDone(await retry(job, { stage, items: [Number(item)] }));
    } catch (thrown) {
      onError(thrown);
    }
  }

  /** @param {JobView} next */
  function onView(next) {
    const before = view;
    view = next;
    show(fault);
    content.hidden = false;
    if (next.revision === revision) return;
    revision = next.revision;
    state.hidden = false;
    changeBadge(state, next.state);
    document.title = `${lookOf(next.state).sign} ${job} – Millrace`;
    if (before !== undefined && before.state !== next.state) {
      announce(`${job} is now ${next.state}: ${countsText(next.counts)}`);
      // What was said of the last retry is no longer so.
      if (next.ended) setText(outcome, '');
    }
    showFacts(next);
    showActions(next);
    needs.update(next);
    graph.update(next);
    items.update(next);
    files.update(next.files);
  }

  /** @param {JobView} next */
  function showFacts({ counts, cost, created_at: created, updated_at: updated, held_until: heldUntil, waits_for_slots: waits }) {
    const spent = cost === null ? '' : costText(cost);
    show(
      facts,
      h('span', { 'data-counts': true }, countsText(counts)),
      h('span', {}, 'Begun ', ago(created)),
      h('span', {}, 'Last change ', ago(updated)),
      spent === '' ? null : h('span', { 'data-cost': true }, spent),
      heldUntil === null ? null : h('span', { class: 'tone-warn' }, '‖ RunPod refused; tried again ', ago(heldUntil)),
      waits ? h('span', { class: 'tone-warn' }, '‖ Waits for a slot: its endpoint has as many runs as it may') : null,
    );
  }

  /** @param {JobView} next */
  function showActions(next) {
    const focused = document.activeElement?.getAttribute('data-action');
    show(actions, ...actionButtons(next, { onDone, onError }));
    if (!focused) return;
    const same = actions.querySelector(`[data-action="${CSS.escape(focused)}"]`) ?? actions.querySelector('button');
    if (same instanceof HTMLElement) same.focus();
  }

  const stream = followJob({
    job,
    signal,
    onView,
    onState(word) {
      // It begins anew every now and then, which is nobody's business.
      if (word === 'connecting' && view !== undefined) return;
      showLive(word);
    },
    onError,
  });
  return {
    changeQuery(query) {
      items.changeQuery(query, view);
      document.getElementById('items-title')?.scrollIntoView({ block: 'start' });
    },
  };
}
