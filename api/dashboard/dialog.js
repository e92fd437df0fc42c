/** A question before something that cannot be taken back. Escape and Cancel close it; the focus returns to where it was. */
import { h, show } from './element.js';
import { problemNotice } from './problem-notice.js';

let dialogs = 0;

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {readonly import('./element.js').Child[]} body
 * @property {string} confirm what the button says
 * @property {boolean} [dangerous]
 * @property {string} [typed] what must be typed before the button works
 * @property {(tell: (text: string) => void) => Promise<void>} act what is done on confirmation; `tell` shows how it goes; the dialog closes
 *   when it has ended well, and shows what it throws
 */

/** @param {Question} question @returns {HTMLDialogElement} */
export function openDialog({ title, body, confirm, dangerous = false, typed, act }) {
  dialogs += 1;
  const titleId = `dialog-${dialogs}`;
  const state = h('div', { class: 'dialog-state', 'aria-live': 'polite' });
  const button = h('button', { type: 'submit', class: dangerous ? 'danger' : 'primary', disabled: typed !== undefined }, confirm);
  const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, 'Leave it');
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: titleId }, title),
    ...body,
    typed === undefined ? null : typedField(typed, button),
    state,
    h('div', { class: 'actions' }, button, cancel),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    try {
      await act((text) => show(state, h('p', {}, text)));
      dialog.close();
    } catch (thrown) {
      show(state, problemNotice(thrown));
      button.disabled = false;
    }
  });
  const dialog = h('dialog', { 'aria-labelledby': titleId, onclose: () => dialog.remove() }, form);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {string} typed @param {HTMLButtonElement} button */
function typedField(typed, button) {
  const input = h('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', autofocus: true });
  input.addEventListener('input', () => {
    button.disabled = input.value.trim() !== typed;
  });
  return h('label', { class: 'field' }, h('span', {}, 'To confirm, type ', h('code', {}, typed)), input);
}
