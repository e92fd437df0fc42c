/** `#/jobs/{job}/items/{stage}/{item}`: why one item is as it is, from its claim to its end. */
import { adviceLine } from './advice.js';
import { announce } from './announcer.js';
import { ask } from './ask.js';
import { codeLink, errorLines } from './attention.js';
import { badge } from './badge.js';
import { h, setText, show } from './element.js';
import { retry } from './job-actions.js';
import { downloadLink, player } from './player.js';
import { poll } from './poll.js';
import { problemNotice } from './problem-notice.js';
import { jobLink, jobsLink } from './routes.js';
import { filledTable, makeTable } from './table.js';
import { ago, exact } from './time.js';

/** @typedef {import('../documents/item-story.ts').StoryView} StoryView */

const PAUSE_MS = 3_000;

/** @type {Readonly<Record<StoryView['mark'], string>>} */
const MARK_TEXTS = {
  none: 'There is none.',
  unmarked: 'Somebody put it there: it bears no mark of a worker, and is taken as it is.',
  current: 'Made from what is wanted now.',
  outdated: 'Made from inputs or parameters that have changed since.',
};

/** @type {import('./main.js').Page} */
export function itemPage({ main, signal, route }) {
  const [job = '', stage = '', item = ''] = route.names;
  const name = `${stage}/${item}`;
  document.title = `${name} of ${job} – Millrace`;
  let shown = '';
  let phase = '';
  let playing = '';

  const fault = h('div', {});
  const outcome = h('p', { class: 'outcome', role: 'status' });
  const top = h('div', { class: 'title' }, h('h1', {}, name));
  const now = h('div', {});
  const output = h('div', {});
  const told = h('div', {});
  const crumbs = [
    h('a', { href: jobsLink() }, 'Jobs'),
    ' / ',
    h('a', { href: jobLink(job) }, job),
    ' / ',
    h('a', { href: jobLink(job, { stage }) }, stage),
  ];
  show(main, h('nav', { class: 'crumbs', 'aria-label': 'Where this is' }, ...crumbs), top, outcome, fault, now, output, told);

  async function look() {
    try {
      /** @type {StoryView} */
      const story = await ask(`/api/jobs/${encodeURIComponent(job)}/items/${encodeURIComponent(stage)}/${item}`, { signal });
      if (signal.aborted) return;
      show(fault);
      const text = JSON.stringify(story);
      if (text === shown) return;
      shown = text;
      if (phase !== '' && phase !== story.phase) announce(`${name} is now ${story.phase}`);
      phase = story.phase;
      showStory(story);
    } catch (thrown) {
      if (!signal.aborted) show(fault, problemNotice(thrown));
    }
  }

  /** @param {Event} event */
  async function onRetry(event) {
    const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
    button.disabled = true;
    try {
      setText(outcome, await retry(job, { stage, items: [Number(item)] }));
    } catch (thrown) {
      show(fault, problemNotice(thrown));
    }
    button.disabled = false;
    void lookNow();
  }

  /** @param {StoryView} story */
  function showStory(story) {
    const hadFocus = top.contains(document.activeElement);
    const button = h('button', { type: 'button', class: 'primary', 'data-action': 'retry', onclick: onRetry }, 'Retry');
    const canRetry = ['failed', 'removed', 'retrying'].includes(story.phase);
    show(top, h('h1', {}, name), badge(story.phase), canRetry ? button : null);
    if (hadFocus) (canRetry ? button : main).focus();
    if (story.phase === 'done') setText(outcome, '');
    show(
      now,
      h(
        'div',
        { class: story.phase === 'failed' ? 'card tone-bad' : 'card' },
        story.error === null || story.phase === 'done' ? null : errorLines(story.error),
        story.why === '' || says(story.error, story.why) ? null : h('p', {}, story.why),
        ...story.circumstances.map((sentence) => h('p', {}, sentence)),
        adviceLine('What to do', story.advice),
        ...story.runs.map((run) =>
          h('p', {}, 'Run ', h('code', {}, run.run_id), ` at ${run.endpoint}: RunPod says ${run.says}.`),
        ),
      ),
    );
    showOutput(story);
    show(told, attemptsSection(story), storySection(story));
  }

  /** What plays goes on playing while the story grows. @param {StoryView} story */
  function showOutput({ output: file, output_key: key, mark }) {
    const next = JSON.stringify([file, mark]);
    if (next === playing) return;
    playing = next;
    show(
      output,
      h(
        'section',
        { 'aria-labelledby': 'output-title' },
        h('h2', { id: 'output-title' }, 'Output'),
        h('p', {}, h('code', {}, key), ' ', file === null ? null : downloadLink(file)),
        h('p', { class: 'faint' }, MARK_TEXTS[mark]),
        file === null ? null : player(file),
      ),
    );
  }

  const lookNow = poll({ look, signal, pauseMs: PAUSE_MS });
}

/** @param {StoryView} story */
function attemptsSection({ attempts }) {
  if (attempts.length === 0) return null;
  const table = makeTable('snug', 'Attempts', ['Attempt', 'State', 'Since', 'Inputs']);
  const rows = attempts.map(({ attempt, status, at, outdated }) =>
    table.row([String(attempt), badge(status), ago(at), outdated ? 'changed since' : 'as now']),
  );
  return h(
    'section',
    { 'aria-labelledby': 'attempts-title' },
    h('h2', { id: 'attempts-title' }, 'Attempts'),
    h('div', { class: 'wide' }, filledTable(table, rows)),
  );
}

/** @param {StoryView} story */
function storySection({ story, fingerprint, error }) {
  return h(
    'section',
    { 'aria-labelledby': 'story-title' },
    h('h2', { id: 'story-title' }, 'Story'),
    story.length === 0 ? h('p', {}, 'Nothing has happened yet.') : null,
    h(
      'ol',
      { class: 'story' },
      ...story.map(({ at, attempt, what, outdated }) =>
        h(
          'li',
          { class: outdated ? 'is-outdated' : null },
          exact(at),
          h('span', { class: 'story-attempt' }, attempt === 0 ? '' : `attempt ${attempt}`),
          h('span', {}, what, outdated ? h('span', { class: 'faint' }, ' (for inputs that have changed since)') : null),
        ),
      ),
    ),
    error === null ? null : h('p', { class: 'faint' }, 'What the code means: ', codeLink(error.code)),
    fingerprint === '' ? null : h('p', { class: 'faint' }, 'Fingerprint of what is wanted now: ', h('code', {}, fingerprint)),
  );
}

/** The reason of a failure is the error's message most of the time. @param {StoryView['error']} error @param {string} why */
const says = (error, why) => error !== null && why.includes(error.message);
