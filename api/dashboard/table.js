/**
 * Tables that become a list of cards where they are too wide for the screen. A browser forgets what a table is once its parts are laid out
 * otherwise, so the roles are written down.
 */
import { h } from './element.js';

/**
 * @typedef {object} Table
 * @property {HTMLTableElement} element
 * @property {HTMLTableSectionElement} body
 * @property {(cells: readonly import('./element.js').Child[], props?: import('./element.js').Props) => HTMLTableRowElement} row the first cell
 *   names the row
 */

/**
 * @param {string} className
 * @param {string} caption for screen readers
 * @param {readonly string[]} heads
 * @returns {Table}
 */
export function makeTable(className, caption, heads) {
  const body = h('tbody', { role: 'rowgroup' });
  const headRow = h('tr', { role: 'row' }, ...heads.map((text) => h('th', { scope: 'col', role: 'columnheader' }, text)));
  const element = h(
    'table',
    { class: className, role: 'table' },
    h('caption', { class: 'unseen' }, caption),
    h('thead', { role: 'rowgroup' }, headRow),
    body,
  );
  return {
    element,
    body,
    row(cells, props = {}) {
      const made = cells.map((cell, index) => {
        const isEmpty = cell === null || cell === undefined || cell === false || cell === '';
        const common = { 'data-head': heads[index], class: isEmpty ? 'is-empty' : null };
        return index === 0
          ? h('th', { scope: 'row', role: 'rowheader', ...common }, cell)
          : h('td', { role: 'cell', ...common }, cell);
      });
      return h('tr', { role: 'row', ...props }, ...made);
    },
  };
}

/** @param {Table} table @param {readonly HTMLTableRowElement[]} rows */
export function filledTable({ element, body }, rows) {
  body.append(...rows);
  return element;
}
