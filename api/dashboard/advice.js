/** Sentences that say what to do, with the commands in them set apart. `commandParts` is pure. */
import { h } from './element.js';

/** A command of ours with its arguments, or whatever stands between backticks. */
const COMMAND =
  /`([^`]+)`|(millrace (?:retry|resume|reconcile|explain|cancel|plan) [^\s,;()]+(?: [a-z][a-z0-9-]*\/\d+)?(?: --[a-z-]+ [^\s,;()]+)*)/g;

/**
 * @param {string} text
 * @returns {{ readonly text: string, readonly isCommand: boolean }[]}
 */
export function commandParts(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(COMMAND)) {
    if (found.index > at) parts.push({ text: text.slice(at, found.index), isCommand: false });
    parts.push({ text: found[1] ?? found[0], isCommand: true });
    at = found.index + found[0].length;
  }
  if (at < text.length) parts.push({ text: text.slice(at), isCommand: false });
  return parts;
}

/** @param {string} label @param {string} text */
export function adviceLine(label, text) {
  const parts = commandParts(text).map((part) => (part.isCommand ? h('code', { class: 'command' }, part.text) : part.text));
  return h('p', {}, h('span', { class: 'label' }, `${label} `), ...parts);
}
