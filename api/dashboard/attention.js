/** What of a job somebody must see to: what cannot be accepted, and what failed or is gone. */
import { adviceLine } from './advice.js';
import { badge } from './badge.js';
import { h, show } from './element.js';
import { plural } from './format.js';
import { lookOf } from './phases.js';
import { fieldErrors, fixLine } from './problem-notice.js';
import { itemLink, jobLink } from './routes.js';

/** @typedef {import('../documents/job.ts').JobView} JobView */
/** @typedef {import('../documents/job.ts').Item} Item */

/** @param {(item: Item) => void} onRetry */
export function attention(onRetry) {
  const element = h('div', {});
  let shown = '';
  return {
    element,
    /** @param {JobView} view */
    update({ job_id: job, problems, attention: items, counts, cancelled }) {
      const now = JSON.stringify([problems, items, cancelled]);
      if (now === shown) return;
      shown = now;
      const focused = document.activeElement?.getAttribute('data-retry');
      const all = counts.failed + counts.removed;
      show(
        element,
        problems.length === 0 ? null : problemsSection(problems),
        items.length === 0
          ? null
          : h(
              'section',
              { 'aria-labelledby': 'attention-title' },
              h('h2', { id: 'attention-title' }, `${plural(all, 'item needs', 'items need')} somebody`),
              h('ul', { class: 'cards' }, ...items.map((item) => itemCard(job, item, cancelled ? undefined : onRetry))),
              items.length < all
                ? h(
                    'p',
                    {},
                    h(
                      'a',
                      { href: jobLink(job, { phase: 'failed,removed' }) },
                      `All ${plural(all, 'of them', 'of them')} in the table below`,
                    ),
                  )
                : null,
            ),
      );
      if (focused) {
        const button = element.querySelector(`[data-retry="${CSS.escape(focused)}"]`);
        if (button instanceof HTMLElement) button.focus();
      }
    },
  };
}

/** @param {JobView['problems']} problems */
function problemsSection(problems) {
  return h(
    'section',
    { 'aria-labelledby': 'problems-title' },
    h('h2', { id: 'problems-title' }, `${plural(problems.length, 'problem')} with what was written`),
    h('ul', { class: 'cards' }, ...problems.map(problemCard)),
  );
}

/** @param {JobView['problems'][number]} problem */
function problemCard({ code, keys, message, errors, fix }) {
  return h(
    'li',
    { class: 'card tone-bad' },
    h('p', {}, h('span', { class: 'sign', 'aria-hidden': 'true' }, '✕ '), h('strong', {}, message)),
    h('p', { class: 'faint' }, codeLink(code), ' · ', h('code', {}, keys.join(', '))),
    fieldErrors(errors),
    fixLine(fix),
  );
}

/** @param {string} job @param {Item} item @param {((item: Item) => void) | undefined} onRetry */
function itemCard(job, item, onRetry) {
  const { stage, item: name, phase, why, error, advice } = item;
  const key = `${stage}/${name}`;
  return h(
    'li',
    { class: `card tone-${lookOf(phase).tone}`, 'data-attention': key },
    h(
      'div',
      { class: 'card-top' },
      h('a', { class: 'name', href: itemLink(job, stage, name) }, key),
      badge(phase),
      onRetry === undefined
        ? null
        : h('button', { type: 'button', 'data-retry': key, 'aria-label': `Retry ${key}`, onclick: () => onRetry(item) }, 'Retry'),
    ),
    error === null ? h('p', {}, why) : errorLines(error),
    adviceLine(error?.fix ? 'Then' : 'What to do', advice),
  );
}

/** @param {NonNullable<Item['error']>} error */
export function errorLines({ code, message, fix }) {
  const lines = h('div', {}, h('p', {}, codeLink(code), ' ', h('strong', {}, message)));
  const what = fixLine(fix);
  if (what !== null) lines.append(what);
  return lines;
}

/** @param {string} code */
export const codeLink = (code) =>
  h('a', { href: `/errors/${encodeURIComponent(code)}`, target: '_blank', rel: 'noopener' }, code);
