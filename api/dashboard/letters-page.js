/** `#/dead-letters`: what no consumer could settle, by reason. */
import { announce } from './announcer.js';
import { ask } from './ask.js';
import { h, setText, show } from './element.js';
import { countText, plural } from './format.js';
import { askToWork } from './letter-actions.js';
import { idsOfGroup } from './letter-choice.js';
import { letterCode } from './letter-code.js';
import { problemNotice } from './problem-notice.js';
import { jobLink, letterLink, lettersLink } from './routes.js';
import { filledTable, makeTable } from './table.js';
import { ago } from './time.js';

/** @typedef {import('zod').infer<typeof import('../documents/dead-letters.ts').LetterList>} LetterList */
/** @typedef {LetterList['groups'][number]} Group */
/** @typedef {LetterList['list'][number]} Letter */

const MOST_LISTED = 500;
const MOST_SHOWN = 100;
const FILTERS = /** @type {const} */ (['job', 'stage', 'reason', 'contains']);

/** A queue shows a letter to one at a time: this page looks when it is asked to, and not every few seconds. @type {import('./main.js').Page} */
export function lettersPage({ main, signal, route }) {
  document.title = 'Dead letters – Millrace';
  let { query } = route;
  let looks = 0;

  const fault = h('div', {});
  const outcome = h('p', { class: 'outcome', role: 'status' });
  const content = h('div', {});
  const refresh = h('button', { type: 'button', onclick: () => void look() }, 'Look again');
  const contains = h('input', {
    ...{
      type: 'search',
      id: 'letter-filter',
      'data-filter': true,
      maxlength: 200,
      autocomplete: 'off',
      'aria-keyshortcuts': '/',
    },
    placeholder: 'Text in a letter',
  });
  const form = h(
    'form',
    { class: 'toolbar', role: 'search', onsubmit: filterNow },
    h('label', { for: 'letter-filter' }, 'Filter', h('kbd', { 'aria-hidden': 'true' }, '/')),
    contains,
    h('button', { type: 'submit' }, 'Filter'),
    refresh,
  );
  const chosen = h('p', { class: 'chosen' });
  show(main, h('h1', {}, 'Dead letters'), form, chosen, outcome, fault, content);

  /** @param {Event} event */
  function filterNow(event) {
    event.preventDefault();
    location.hash = lettersLink({ ...Object.fromEntries(query), contains: contains.value.trim() });
  }

  async function look() {
    looks += 1;
    const mine = looks;
    contains.value = query.get('contains') ?? '';
    const given = FILTERS.flatMap((name) => {
      const value = query.get(name);
      return value ? [[name, value]] : [];
    });
    showChosen(given);
    refresh.disabled = true;
    if (content.childElementCount === 0) show(content, h('p', { class: 'faint' }, 'Looking …'));
    try {
      const parameters = new URLSearchParams(
        [...given, ['limit', String(MOST_LISTED)]].map(([name = '', value = '']) => [name, value]),
      );
      /** @type {LetterList} */
      const list = await ask(`/api/dead-letters?${parameters}`, { signal });
      if (signal.aborted || mine !== looks) return;
      show(fault);
      showLetters(list);
    } catch (thrown) {
      if (signal.aborted || mine !== looks) return;
      show(fault, problemNotice(thrown));
      show(content);
    } finally {
      refresh.disabled = false;
    }
  }

  /** @param {readonly (readonly string[])[]} given */
  function showChosen(given) {
    if (given.length === 0) return show(chosen);
    const words = given.map(([name, value]) => h('span', { class: 'chip' }, `${name}: ${value}`));
    show(chosen, 'Only ', ...words, ' ', h('a', { href: lettersLink() }, 'Show all'));
  }

  /** @param {string} text */
  function onDone(text) {
    setText(outcome, text);
    announce(text);
    void look();
  }

  /** @param {LetterList} list */
  function showLetters({ queue, letters, hidden, finished, warnings, groups, list }) {
    const hiddenText =
      hidden === null || hidden === 0 ? '' : ` ${plural(hidden, 'more is', 'more are')} held by somebody else at this moment.`;
    show(
      content,
      h('p', { class: 'facts' }, h('span', {}, `${plural(letters, 'letter')} in `, h('code', {}, queue), `.${hiddenText}`)),
      ...warnings.map((text) => h('p', { class: 'notice tone-warn' }, text)),
      finished
        ? null
        : h(
            'p',
            { class: 'notice tone-warn' },
            'Not all were looked at in the time that there is: narrow it down with a filter.',
          ),
      letters === 0 && finished ? h('p', {}, '✓ None: whatever arrived could be read, and was settled.') : null,
      groups.length === 0 ? null : groupsSection(groups, list),
      list.length === 0 ? null : listSection(list),
    );
  }

  /** @param {readonly Group[]} groups @param {readonly Letter[]} list */
  function groupsSection(groups, list) {
    const table = makeTable('groups', 'Dead letters by reason', ['Reason', 'Job', 'Stage', 'Letters', 'Oldest', 'Do']);
    const rows = groups.map((group) => table.row(groupCells(group, list), { 'data-group': group.code }));
    return h(
      'section',
      { 'aria-labelledby': 'groups-title' },
      h('h2', { id: 'groups-title' }, 'By reason'),
      h('div', { class: 'wide' }, filledTable(table, rows)),
    );
  }

  /** @param {Group} group @param {readonly Letter[]} list */
  function groupCells(group, list) {
    const { code, reason, job, stage, letters, quarantined, oldest, example } = group;
    const ids = idsOfGroup(group, list);
    const about = `${plural(letters, 'letter')}, ${code}${job === null ? '' : `, ${job}`}`;
    const work = (/** @type {'replay' | 'discard'} */ action, /** @type {string} */ text) =>
      ids.length === 0
        ? null
        : h(
            'button',
            { type: 'button', 'aria-label': `${text} ${about}`, onclick: () => askToWork(action, ids, onDone) },
            `${text} …`,
          );
    return [
      h('div', {}, letterCode(code), h('p', { class: 'why' }, reason)),
      job === null ? 'none named' : job === 'several' ? 'several' : h('a', { href: jobLink(job) }, job),
      stage,
      h(
        'div',
        {},
        countText(letters),
        quarantined === 0 ? null : h('p', { class: 'tone-warn' }, `‖ ${countText(quarantined)} sent too often`),
      ),
      ago(oldest),
      h(
        'div',
        {},
        h(
          'div',
          { class: 'actions' },
          h('a', { class: 'button', href: letterLink(example), 'aria-label': `Inspect one of ${about}` }, 'Inspect'),
          work('replay', 'Replay'),
          work('discard', 'Discard'),
        ),
        ids.length > 0 && ids.length < letters ? h('p', { class: 'faint' }, `${countText(ids.length)} at a time`) : null,
      ),
    ];
  }

  void look();
  return {
    changeQuery(next) {
      query = next;
      void look();
    },
  };
}

/** @param {readonly Letter[]} list */
function listSection(list) {
  const table = makeTable('letters', 'Dead letters one by one', ['Letter', 'Reason', 'Jobs', 'Received', 'Since']);
  const shown = list.slice(0, MOST_SHOWN);
  const rows = shown.map(({ id, code, jobs, at, receive_count: received, replays }) => {
    const times = received === null ? '' : `${countText(received)} ×`;
    const again = replays === 0 ? '' : `, replayed ${countText(replays)} ×`;
    return table.row([
      h('a', { class: 'name', href: letterLink(id) }, h('code', {}, id)),
      code,
      jobs.join(', '),
      times + again,
      ago(at),
    ]);
  });
  return h(
    'section',
    { 'aria-labelledby': 'letters-title' },
    h('h2', { id: 'letters-title' }, 'One by one'),
    h('div', { class: 'wide' }, filledTable(table, rows)),
    shown.length < list.length ? h('p', { class: 'faint' }, `The first ${MOST_SHOWN}: filter for others.`) : null,
  );
}
