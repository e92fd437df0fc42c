/** Points in time: how long ago, kept true while the page is open, with the exact time in UTC beside it. */
import { h, setText } from './element.js';
import { relativeText, utcText } from './format.js';

const TICK_MS = 5_000;

/** @param {string | null} iso */
export function ago(iso) {
  if (iso === null) return h('span', { class: 'faint' }, '–');
  return h('time', { datetime: iso, title: utcText(iso), 'data-ago': true }, relativeText(iso, Date.now()));
}

/** @param {string | null} iso */
export function exact(iso) {
  return iso === null ? h('span', { class: 'faint' }, '–') : h('time', { datetime: iso }, utcText(iso));
}

export function keepTimesTrue() {
  setInterval(() => {
    for (const shown of document.querySelectorAll('time[data-ago]')) {
      setText(shown, relativeText(shown.getAttribute('datetime') ?? '', Date.now()));
    }
  }, TICK_MS);
}
