/** `#/dead-letters/{id}`: one letter, whole. */
import { announce } from './announcer.js';
import { ask } from './ask.js';
import { h, show } from './element.js';
import { plural, prettyText } from './format.js';
import { askToWork } from './letter-actions.js';
import { letterCode } from './letter-code.js';
import { problemNotice } from './problem-notice.js';
import { jobLink, lettersLink } from './routes.js';
import { exact } from './time.js';

/** @typedef {import('zod').infer<typeof import('../documents/dead-letters.ts').WholeLetter>} WholeLetter */

/** @type {import('./main.js').Page} */
export function letterPage({ main, signal, route }) {
  const [id = ''] = route.names;
  document.title = 'Dead letter – Millrace';
  const content = h('div', {}, h('p', { class: 'faint' }, 'Looking …'));
  const crumbs = h(
    'nav',
    { class: 'crumbs', 'aria-label': 'Where this is' },
    h('a', { href: lettersLink() }, 'Dead letters'),
    h('span', { 'aria-hidden': 'true' }, ' / '),
  );
  show(main, crumbs, h('h1', { class: 'id' }, id), content);

  /** @param {string} text */
  function onDone(text) {
    announce(text);
    show(
      content,
      h('p', { class: 'outcome', role: 'status' }, text),
      h('p', {}, h('a', { href: lettersLink() }, 'All dead letters')),
    );
  }

  async function look() {
    try {
      /** @type {WholeLetter} */
      const letter = await ask(`/api/dead-letters/${encodeURIComponent(id)}`, { signal });
      if (!signal.aborted) show(content, ...letterParts(letter, onDone));
    } catch (thrown) {
      if (!signal.aborted)
        show(content, problemNotice(thrown), h('button', { type: 'button', onclick: () => void look() }, 'Look again'));
    }
  }
  void look();
}

/** @param {WholeLetter} letter @param {(text: string) => void} onDone */
function letterParts(letter, onDone) {
  const { id, code, reason, jobs, stages, replays, quarantined, at, receive_count: received, body, attributes, events } = letter;
  const facts = [
    ['Dead since', exact(at)],
    ['Received', received === null ? null : `${received} ×`],
    ['Replayed', `${replays} ×${quarantined ? ', too often to be sent again without force' : ''}`],
    ['Jobs', jobs.length === 0 ? null : h('span', {}, ...jobs.flatMap((job) => [h('a', { href: jobLink(job) }, job), ' ']))],
    ['Stages', stages.length === 0 ? null : stages.join(', ')],
  ];
  return [
    h('div', { class: 'card tone-bad' }, h('p', {}, letterCode(code), ' ', h('strong', {}, reason))),
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', class: 'primary', onclick: () => askToWork('replay', [id], onDone) }, 'Replay …'),
      h('button', { type: 'button', onclick: () => askToWork('discard', [id], onDone) }, 'Discard …'),
    ),
    h(
      'dl',
      { class: 'pairs' },
      ...facts.flatMap(([name, value]) => (value === null ? [] : [h('dt', {}, name), h('dd', {}, value)])),
    ),
    h('h2', {}, events.length === 0 ? 'No events could be read from it' : `It tells of ${plural(events.length, 'event')}`),
    events.length === 0
      ? null
      : h('ul', {}, ...events.map(({ kind, bucket, key }) => h('li', {}, `${kind} `, h('code', {}, `${bucket}/${key}`)))),
    h('h2', { id: 'body-title' }, 'Body'),
    h('pre', { tabindex: 0, role: 'region', 'aria-labelledby': 'body-title' }, h('code', {}, prettyText(body))),
    h('h2', { id: 'attributes-title' }, 'Attributes'),
    h(
      'pre',
      { tabindex: 0, role: 'region', 'aria-labelledby': 'attributes-title' },
      h('code', {}, JSON.stringify(attributes, null, 2)),
    ),
  ];
}
