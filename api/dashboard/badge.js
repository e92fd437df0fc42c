/** A state as a sign and a word, and counts as a bar. */
import { h, setText } from './element.js';
import { lookOf, PHASES } from './phases.js';

/** @param {string} word */
export function badge(word) {
  const { sign, tone, means } = lookOf(word);
  return h(
    'span',
    { class: `badge tone-${tone}`, title: means, 'data-word': word },
    h('span', { class: 'sign', 'aria-hidden': 'true' }, sign),
    h('span', {}, word),
  );
}

/** In place, so that what a reader stands on stays. @param {HTMLElement} shown @param {string} word */
export function changeBadge(shown, word) {
  if (shown.dataset.word === word) return;
  const { sign, tone, means } = lookOf(word);
  shown.className = `badge tone-${tone}`;
  shown.title = means;
  shown.dataset.word = word;
  const [first, second] = shown.children;
  if (first !== undefined) setText(first, sign);
  if (second !== undefined) setText(second, word);
}

/** Says nothing by itself: the same counts stand beside it as text. @param {import('./phases.js').Counts} counts */
export function bar(counts) {
  const made = h('span', { class: 'bar', 'aria-hidden': 'true' });
  for (const phase of [...PHASES].reverse()) {
    if (counts[phase] === 0) continue;
    const part = h('span', { class: `part tone-${lookOf(phase).tone}` });
    // Of 10,000 items one that failed must still be seen.
    part.style.flexGrow = String(counts[phase]);
    made.append(part);
  }
  return made;
}
