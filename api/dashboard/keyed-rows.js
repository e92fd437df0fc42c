/** Rows of a table that are changed where they stand: the focus, an open player and the place of the page stay as they are. */

/**
 * @template T
 * @typedef {object} KeyedRows
 * @property {(entries: readonly T[]) => void} update
 */

/**
 * @template T
 * @param {HTMLTableSectionElement} body
 * @param {object} options
 * @param {(entry: T) => string} options.keyOf
 * @param {(entry: T) => HTMLTableRowElement} options.make a row; it is made anew where the entry has changed
 * @returns {KeyedRows<T>}
 */
export function keyedRows(body, { keyOf, make }) {
  /** @type {Map<string, { readonly text: string, readonly row: HTMLTableRowElement }>} */
  let known = new Map();
  return {
    update(entries) {
      /** @type {typeof known} */
      const next = new Map();
      for (const entry of entries) {
        const key = keyOf(entry);
        const text = JSON.stringify(entry);
        const before = known.get(key);
        next.set(key, before?.text === text ? before : { text, row: remade(before?.row, make(entry)) });
      }
      const rows = [...next.values()].map(({ row }) => row);
      const isInPlace = rows.length === body.rows.length && rows.every((row, index) => body.rows[index] === row);
      // Taking a row out and in again would stop what plays in it.
      if (!isInPlace) place(body, rows);
      known = next;
    },
  };
}

/** @param {HTMLTableSectionElement} body @param {readonly HTMLTableRowElement[]} rows */
function place(body, rows) {
  const wanted = new Set(rows);
  for (const row of [...body.rows]) if (!wanted.has(row)) row.remove();
  for (const [index, row] of rows.entries()) {
    const there = body.rows[index];
    if (there !== row) body.insertBefore(row, there ?? null);
  }
}

/**
 * The new row in the old one's place, with the focus on what had it before.
 * @param {HTMLTableRowElement | undefined} before
 * @param {HTMLTableRowElement} row
 */
function remade(before, row) {
  if (before === undefined) return row;
  const focused = before.contains(document.activeElement) ? document.activeElement?.getAttribute('data-control') : undefined;
  before.replaceWith(row);
  if (focused) {
    const control = row.querySelector(`[data-control="${CSS.escape(focused)}"]`);
    if (control instanceof HTMLElement) control.focus();
  }
  return row;
}
