/** Why a letter is dead, as a word: an error code with its meaning behind it, or the queue's own reason. */
import { codeLink } from './attention.js';
import { h } from './element.js';

/** @param {string} code */
export function letterCode(code) {
  if (code !== 'MAX_RECEIVES') return codeLink(code);
  return h('span', { title: 'The queue gave it to consumers as often as it does, and none of them settled it.' }, code);
}
