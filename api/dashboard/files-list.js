/** Files of a job that no stage makes: inputs and manifests. */
import { h } from './element.js';
import { keyedRows } from './keyed-rows.js';
import { downloadLink, kindOf, player, thumbnail } from './player.js';
import { makeTable } from './table.js';
import { ago } from './time.js';

/** @typedef {import('./player.js').JobFile} JobFile */

const MOST = 100;

export function filesList() {
  const table = makeTable('files', 'Files', ['Key', 'Written', 'Look', 'Download']);
  const rows = keyedRows(table.body, {
    keyOf: (/** @type {JobFile} */ file) => file.key,
    make: (file) => table.row(fileCells(file)),
  });
  const note = h('p', { class: 'faint' });
  const element = h(
    'section',
    { 'aria-labelledby': 'files-title' },
    h('h2', { id: 'files-title' }, 'Inputs and manifests'),
    h('div', { class: 'wide' }, table.element),
    note,
  );
  return {
    element,
    /** @param {readonly JobFile[]} files */
    update(files) {
      rows.update(files);
      table.element.hidden = files.length === 0;
      note.textContent =
        files.length === 0 ? 'None.' : files.length === MOST ? `The first ${MOST}; the bucket may hold more.` : '';
    },
  };
}

/** @param {JobFile} file */
function fileCells(file) {
  const { key, href, updated_at: updated } = file;
  const kind = kindOf(file);
  const holder = h('div', {});
  const button = h(
    'button',
    { type: 'button', 'data-control': 'look', 'aria-expanded': 'false', 'aria-label': `Look at ${key}`, onclick: toggle },
    'Look',
  );
  function toggle() {
    const isOpen = holder.childElementCount === 0;
    button.setAttribute('aria-expanded', String(isOpen));
    button.textContent = isOpen ? 'Close' : 'Look';
    holder.replaceChildren(...(isOpen ? [player(file)] : []));
  }
  const look =
    kind === 'text'
      ? h('a', { href, target: '_blank', rel: 'noopener', 'aria-label': `Read ${key}` }, 'Read')
      : kind === null
        ? null
        : button;
  return [
    h('code', {}, key),
    ago(updated),
    h('div', {}, h('div', { class: 'output-line' }, thumbnail(file), look), holder),
    downloadLink(file),
  ];
}
