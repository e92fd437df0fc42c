/** What went wrong and what to do, as the API tells it. */
import { adviceLine } from './advice.js';
import { ApiError } from './ask.js';
import { h } from './element.js';
import { sentence } from './format.js';
import { filledTable, makeTable } from './table.js';

/** @typedef {import('../../manifests/field-errors.ts').FieldError} FieldError */

/** @param {unknown} thrown */
export function problemNotice(thrown) {
  if (!(thrown instanceof ApiError)) {
    return h('div', { class: 'notice tone-bad', role: 'alert' }, h('p', {}, `This page is at fault: ${thrown}`));
  }
  const { code, type, detail, fix, errors = [], request_id: requestId } = thrown.problem;
  const link = type.startsWith('/errors/')
    ? h('a', { href: type, target: '_blank', rel: 'noopener' }, code)
    : h('span', {}, code);
  return h(
    'div',
    { class: 'notice tone-bad', role: 'alert' },
    h('p', {}, h('span', { class: 'sign', 'aria-hidden': 'true' }, '✕ '), h('strong', {}, sentence(detail))),
    fixLine(fix),
    fieldErrors(errors),
    h('p', { class: 'faint' }, link, requestId === '' ? '' : ' · request ', requestId === '' ? null : h('code', {}, requestId)),
  );
}

/** @param {string | null | undefined} fix */
export function fixLine(fix) {
  if (fix === null || fix === undefined || fix === '') return null;
  return adviceLine('What to do', fix);
}

/** @param {readonly FieldError[]} errors */
export function fieldErrors(errors) {
  if (errors.length === 0) return null;
  const table = makeTable('snug', 'Fields', ['Field', 'Expected', 'Found']);
  const rows = errors.map(({ field, expected, found }) => table.row([h('code', {}, field), expected, h('code', {}, found)]));
  return h('div', { class: 'wide' }, filledTable(table, rows));
}
