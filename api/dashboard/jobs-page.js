/** `#/jobs`: the jobs of the bucket, a page at a time, looked at again every few seconds. */
import { announce } from './announcer.js';
import { ask } from './ask.js';
import { badge, bar } from './badge.js';
import { h, setText, show } from './element.js';
import { firstSteps } from './first-steps.js';
import { countText, plural } from './format.js';
import { keyedRows } from './keyed-rows.js';
import { countsText, JOB_STATES } from './phases.js';
import { poll } from './poll.js';
import { problemNotice } from './problem-notice.js';
import { jobLink, jobsLink } from './routes.js';
import { makeTable } from './table.js';
import { ago } from './time.js';

/** @typedef {import('../documents/jobs.ts').JobSummary} JobSummary */

const PAUSE_MS = 4_000;
const JOBS_PER_PAGE = '25';

/** @type {import('./main.js').Page} */
export function jobsPage({ main, signal, route }) {
  document.title = 'Jobs – Millrace';
  let { query } = route;
  /** @type {import('../documents/jobs.ts').JobList | undefined} */
  let list;
  /** States as they were last told, so that only changes are. @type {Map<string, string>} */
  const told = new Map();

  const state = h('div', {});
  const filter = h('input', {
    ...{ type: 'search', id: 'job-filter', 'data-filter': true, spellcheck: 'false', autocomplete: 'off' },
    ...{ placeholder: 'Part of a job’s id', 'aria-keyshortcuts': '/' },
    oninput: () => changeQuery({ q: filter.value }),
  });
  const states = h(
    'select',
    { id: 'job-state', onchange: () => changeQuery({ state: states.value }) },
    h('option', { value: '' }, 'Any state'),
    ...JOB_STATES.map((word) => h('option', { value: word }, word)),
  );
  const table = makeTable('jobs', 'Jobs', ['Job', 'State', 'Items', 'Needs somebody', 'Last change']);
  const rows = keyedRows(table.body, {
    keyOf: (/** @type {JobSummary} */ job) => job.job_id,
    make: (job) => table.row(jobCells(job)),
  });
  const summary = h('p', { class: 'faint', id: 'jobs-summary' }, 'Looking …');
  const pager = h('nav', { class: 'pager', 'aria-label': 'Pages of jobs' });
  const content = h(
    'div',
    { hidden: true },
    h(
      'form',
      { class: 'toolbar', role: 'search', onsubmit: openFirst },
      h('label', { for: 'job-filter' }, 'Filter', h('kbd', { 'aria-hidden': 'true' }, '/')),
      filter,
      h('label', { for: 'job-state', class: 'unseen' }, 'State'),
      states,
    ),
    h('div', { class: 'wide' }, table.element),
  );
  const nothing = h('div', {});
  show(main, h('h1', {}, 'Jobs'), state, content, nothing, summary, pager);

  /** @param {Record<string, string>} changed */
  function changeQuery(changed) {
    const given = Object.fromEntries(query);
    // Nothing to go back to for every letter that is typed.
    history.replaceState(null, '', jobsLink({ ...given, ...changed }));
    query = new URLSearchParams(location.hash.split('?')[1] ?? '');
    showList();
  }

  /** @param {Event} event */
  function openFirst(event) {
    event.preventDefault();
    const [first] = shownJobs();
    if (first !== undefined) location.hash = jobLink(first.job_id);
    else if (filter.value !== '') location.hash = jobLink(filter.value.trim());
  }

  function shownJobs() {
    const text = (query.get('q') ?? '').trim().toLowerCase();
    const word = query.get('state') ?? '';
    return (list?.jobs ?? []).filter((job) => (word === '' || job.state === word) && job.job_id.toLowerCase().includes(text));
  }

  function showList() {
    const text = query.get('q') ?? '';
    if (filter.value !== text) filter.value = text;
    states.value = query.get('state') ?? '';
    if (list === undefined) return;
    const shown = shownJobs();
    const isFirstPage = !query.has('after');
    const isEmpty = list.jobs.length === 0 && isFirstPage;
    content.hidden = isEmpty;
    table.element.hidden = shown.length === 0;
    rows.update(shown);
    const name = text.trim();
    if (isEmpty) {
      if (nothing.firstElementChild?.className !== 'first-steps') show(nothing, firstSteps());
    } else if (shown.length > 0) show(nothing);
    else {
      const open = h('a', { href: jobLink(name) }, `Open the job “${name}”`);
      show(nothing, h('p', {}, 'None on this page fits. ', name === '' ? null : open));
    }
    const all = shown.length === list.jobs.length ? '' : ` of ${countText(list.jobs.length)}`;
    setText(summary, isEmpty ? '' : `${plural(shown.length, 'job')}${all} on this page, in the order of their ids.`);
    const next = list.next === null ? null : new URLSearchParams(list.next.split('?')[1]).get('after');
    show(
      pager,
      isFirstPage ? null : h('a', { href: jobsLink({ ...Object.fromEntries(query), after: '' }) }, '⇤ First page'),
      next === null ? null : h('a', { href: jobsLink({ ...Object.fromEntries(query), after: next }) }, 'Next page →'),
    );
  }

  function tellChanges() {
    for (const { job_id: job, state: word } of list?.jobs ?? []) {
      const before = told.get(job);
      told.set(job, word);
      if (before !== undefined && before !== word) announce(`${job} is now ${word}`);
    }
  }

  async function look() {
    const asked = query;
    const after = asked.get('after');
    try {
      const answer = await ask(
        `/api/jobs?${new URLSearchParams({ limit: JOBS_PER_PAGE, ...(after === null ? {} : { after }) })}`,
        { signal },
      );
      if (signal.aborted || asked.get('after') !== query.get('after')) return;
      list = answer;
      show(state);
      showList();
      tellChanges();
    } catch (thrown) {
      if (!signal.aborted) show(state, problemNotice(thrown));
    }
  }

  const lookNow = poll({ look, signal, pauseMs: PAUSE_MS });
  return {
    changeQuery(next) {
      const isOther = next.get('after') !== query.get('after');
      query = next;
      if (!isOther) return showList();
      setText(summary, 'Looking …');
      void lookNow();
    },
  };
}

/** @param {JobSummary} job */
function jobCells({ job_id: job, state, counts, problems, updated_at: updated }) {
  const needs = [
    counts.failed === 0 ? '' : `${countText(counts.failed)} failed`,
    counts.removed === 0 ? '' : `${countText(counts.removed)} removed`,
    problems === 0 ? '' : plural(problems, 'problem'),
  ].filter((text) => text !== '');
  const done = counts.total === 0 ? 'none' : `${countText(counts.done)} of ${countText(counts.total)} done`;
  return [
    h('a', { class: 'name', href: jobLink(job), 'data-control': 'job' }, job),
    badge(state),
    h('div', { class: 'counts', title: countsText(counts) }, bar(counts), h('span', { class: 'number' }, done)),
    needs.length === 0 ? null : h('span', { class: 'tone-bad' }, needs.join(', ')),
    ago(updated),
  ];
}
