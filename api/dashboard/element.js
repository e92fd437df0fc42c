/**
 * Makes elements. Text goes in as text and attributes as attributes, never as HTML: what the API answers was written by strangers.
 */

/** @typedef {Node | string | null | undefined | false} Child */
/** @typedef {Readonly<Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>>} Props */

/**
 * `on…` props are listeners, `true` an empty attribute; null, undefined and false leave one out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  setProps(made, props);
  fill(made, children);
  return made;
}

/**
 * @param {string} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, props = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setProps(made, props);
  fill(made, children);
  return made;
}

/**
 * Replaces what an element holds.
 * @param {Element} parent
 * @param {...Child} children
 */
export function show(parent, ...children) {
  parent.replaceChildren();
  fill(parent, children);
}

/**
 * Only where it differs: a screen reader reads a text again whenever it is set.
 * @param {Element} parent
 * @param {string} text
 */
export function setText(parent, text) {
  if (parent.textContent !== text) parent.textContent = text;
}

/** @param {Element} made @param {Props} props */
function setProps(made, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : String(value));
  }
}

/** @param {Element} parent @param {readonly Child[]} children */
function fill(parent, children) {
  for (const child of children) if (child !== null && child !== undefined && child !== false) parent.append(child);
}
