/** The items of a job, a page at a time: 10,000 of them are as quick as ten. */
import { ask } from './ask.js';
import { badge } from './badge.js';
import { h, setText, show } from './element.js';
import { plural } from './format.js';
import { keyedRows } from './keyed-rows.js';
import { PHASES } from './phases.js';
import { downloadLink, kindOf, player, thumbnail } from './player.js';
import { problemNotice } from './problem-notice.js';
import { itemLink, jobLink } from './routes.js';
import { makeTable } from './table.js';

/** @typedef {import('../documents/job.ts').Item} Item */
/** @typedef {import('../documents/job.ts').JobView} JobView */

const ITEMS_PER_PAGE = '50';
/** A job of which something changes all the time is asked for no more often. */
const LEAST_PAUSE_MS = 1_000;

/**
 * @param {object} options
 * @param {string} options.job
 * @param {URLSearchParams} options.query
 * @param {AbortSignal} options.signal
 * @param {(item: Item) => void} options.onRetry
 */
export function itemsTable({ job, query: firstQuery, signal, onRetry }) {
  let query = firstQuery;
  /** @type {string | undefined} */
  let stageNames;
  let wanted = 0;
  let answered = 0;
  let isAsking = false;
  /** Keys of the items whose players are open. @type {Set<string>} */
  const open = new Set();

  const state = h('div', {});
  const stages = h('select', { id: 'item-stage', onchange: () => go({ stage: stages.value, after: '' }) });
  const phases = h(
    'select',
    { id: 'item-phase', onchange: () => go({ phase: phases.value, after: '' }) },
    h('option', { value: '' }, 'Any state'),
    h('option', { value: 'failed,removed' }, 'Needs somebody'),
    ...PHASES.map((phase) => h('option', { value: phase }, phase === 'dispatch' ? 'to dispatch' : phase)),
  );
  const number = h('input', {
    ...{ id: 'item-number', type: 'text', inputmode: 'numeric', pattern: '\\d{1,9}', placeholder: '57', autocomplete: 'off' },
    ...{ 'data-filter': true, 'aria-keyshortcuts': '/', size: 7, required: true },
  });
  const table = makeTable('items', 'Items', ['Item', 'State', 'Attempts', 'What and why', 'Output', 'Do']);
  const rows = keyedRows(table.body, { keyOf, make: itemRow });
  const summary = h('p', { class: 'faint' }, 'Looking …');
  const pager = h('nav', { class: 'pager', 'aria-label': 'Pages of items' });
  const element = h(
    'section',
    { 'aria-labelledby': 'items-title' },
    h('h2', { id: 'items-title' }, 'Items'),
    h(
      'div',
      { class: 'toolbar' },
      h('label', { for: 'item-stage' }, 'Stage'),
      stages,
      h('label', { for: 'item-phase' }, 'State'),
      phases,
      h(
        'form',
        { class: 'inline', onsubmit: openItem },
        h('label', { for: 'item-number' }, 'Item number', h('kbd', { 'aria-hidden': 'true' }, '/')),
        number,
        h('button', { type: 'submit' }, 'Open'),
      ),
    ),
    state,
    h('div', { class: 'wide' }, table.element),
    summary,
    pager,
  );

  /** @param {Item} item */
  function keyOf({ stage, item }) {
    return `${stage}/${item}`;
  }

  /** @param {Record<string, string>} changed */
  function go(changed) {
    location.hash = jobLink(job, { ...Object.fromEntries(query), ...changed });
  }

  /** @param {Event} event */
  function openItem(event) {
    event.preventDefault();
    const fanned = [...stages.options].find((option) => option.dataset.fans === 'true')?.value;
    const stage = stages.value || fanned || stages.options[1]?.value;
    if (stage !== undefined) location.hash = itemLink(job, stage, number.value.trim());
  }

  async function look() {
    if (isAsking) return;
    isAsking = true;
    try {
      while (answered < wanted && !signal.aborted) {
        answered = wanted;
        const startMs = performance.now();
        await lookOnce();
        const restMs = LEAST_PAUSE_MS - (performance.now() - startMs);
        if (answered < wanted && restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
      }
    } finally {
      isAsking = false;
    }
  }

  async function lookOnce() {
    const asked = query;
    /** @type {Record<string, string>} */
    const parameters = { limit: ITEMS_PER_PAGE };
    for (const name of ['stage', 'phase', 'after']) {
      const value = asked.get(name);
      if (value) parameters[name] = value;
    }
    try {
      /** @type {import('../documents/job.ts').JobAnswer} */
      const answer = await ask(`/api/jobs/${encodeURIComponent(job)}?${new URLSearchParams(parameters)}`, { signal });
      if (signal.aborted || asked !== query) return;
      show(state);
      showPage(answer);
    } catch (thrown) {
      if (!signal.aborted) show(state, problemNotice(thrown));
    }
  }

  /** @param {import('../documents/job.ts').JobAnswer} answer */
  function showPage({ items, next, counts }) {
    rows.update(items);
    table.element.hidden = items.length === 0;
    const [first, last] = [items[0], items.at(-1)];
    const span = first === undefined || last === undefined ? '' : `: ${keyOf(first)} to ${keyOf(last)}`;
    const none = counts.total === 0 ? 'No items yet: nothing in the job turns a stage on.' : 'No item fits.';
    setText(
      summary,
      items.length === 0 ? none : `${plural(items.length, 'item')} on this page${span}. ${plural(counts.total, 'item')} in all.`,
    );
    const after = next === null ? null : new URLSearchParams(next.split('?')[1]).get('after');
    const given = Object.fromEntries(query);
    show(
      pager,
      query.has('after') ? h('a', { href: jobLink(job, { ...given, after: '' }) }, '⇤ First page') : null,
      after === null ? null : h('a', { href: jobLink(job, { ...given, after }) }, 'Next page →'),
    );
  }

  /** @param {Item} item */
  function itemRow(item) {
    const { stage, item: name, phase, why, attempts, error, output } = item;
    const key = keyOf(item);
    const canRetry = phase === 'failed' || phase === 'removed' || phase === 'retrying';
    const button = h(
      'button',
      { type: 'button', 'data-control': 'retry', 'aria-label': `Retry ${key}`, onclick: () => onRetry(item) },
      'Retry',
    );
    return table.row(
      [
        h('a', { class: 'name', href: itemLink(job, stage, name), 'data-control': 'story' }, key),
        badge(phase),
        attempts.length === 0 ? null : String(attempts.length),
        error !== null || why !== ''
          ? h('span', { class: 'why' }, error === null ? why : `${error.code}: ${error.message}`)
          : null,
        output === null ? null : outputCell(key, output),
        canRetry ? button : null,
      ],
      { 'data-item': key },
    );
  }

  /** @param {string} key @param {import('./player.js').JobFile} output */
  function outputCell(key, output) {
    const kind = kindOf(output);
    const holder = h('div', {});
    const canPlay = kind === 'video' || kind === 'audio' || kind === 'image';
    const word = kind === 'image' ? 'Show' : 'Play';
    const button = h('button', {
      ...{ type: 'button', 'data-control': 'play', 'aria-label': `${word} ${key}`, 'aria-expanded': 'false' },
      onclick: () => toggle(!open.has(key)),
    });
    /** @param {boolean} isOpen */
    function toggle(isOpen) {
      if (isOpen) open.add(key);
      else open.delete(key);
      button.setAttribute('aria-expanded', String(isOpen));
      setText(button, isOpen ? 'Close' : word);
      show(holder, isOpen ? player(output) : null);
    }
    toggle(open.has(key));
    return h(
      'div',
      {},
      h('div', { class: 'output-line' }, canPlay ? thumbnail(output) : null, canPlay ? button : null, downloadLink(output)),
      holder,
    );
  }

  /** @param {JobView['stages']} given */
  function showStages(given) {
    const on = given.filter(({ counts }) => counts.total > 0);
    const names = JSON.stringify(on.map(({ name, counts }) => [name, counts.total > 1]));
    if (names !== stageNames) {
      stageNames = names;
      const options = on.map(({ name, counts }) => h('option', { value: name, 'data-fans': String(counts.total > 1) }, name));
      show(stages, h('option', { value: '' }, 'All stages'), ...options);
    }
    const chosen = query.get('stage') ?? '';
    // A stage without items yet can be chosen by an address, and must be seen to be chosen.
    if (chosen !== '' && ![...stages.options].some(({ value }) => value === chosen)) {
      stages.append(h('option', { value: chosen }, chosen));
    }
    stages.value = chosen;
    phases.value = query.get('phase') ?? '';
  }

  return {
    element,
    /** The job has changed. @param {JobView} view */
    update(view) {
      showStages(view.stages);
      wanted += 1;
      void look();
    },
    /** @param {URLSearchParams} next @param {JobView | undefined} view */
    changeQuery(next, view) {
      query = next;
      showStages(view?.stages ?? []);
      setText(summary, 'Looking …');
      wanted += 1;
      void look();
    },
  };
}
