/**
 * What the address says is shown: `#/jobs/talk-1/items/segmentation/57`. All of it is behind the `#`, so that every address can be reloaded
 * and sent to somebody. Pure.
 */

/** @typedef {{ readonly page: 'jobs' | 'job' | 'item' | 'letters' | 'letter' | 'nothing', readonly names: readonly string[], readonly query: URLSearchParams }} Route */

/** @type {readonly (readonly [Route['page'], RegExp])[]} */
const PAGES = [
  ['jobs', /^\/(?:jobs\/?)?$/],
  ['job', /^\/jobs\/([^/]+)$/],
  ['item', /^\/jobs\/([^/]+)\/items\/([^/]+)\/(\d{1,9})$/],
  ['letters', /^\/dead-letters\/?$/],
  ['letter', /^\/dead-letters\/([^/]+)$/],
];

/** @param {string} hash as `location.hash` has it @returns {Route} */
export function readRoute(hash) {
  const [path = '', search = ''] = hash.replace(/^#/, '').split('?', 2);
  const query = new URLSearchParams(search);
  for (const [page, pattern] of PAGES) {
    const found = pattern.exec(path === '' ? '/' : path);
    if (found === null) continue;
    const names = found.slice(1).map(decoded);
    return names.includes(null) ? { page: 'nothing', names: [], query } : { page, names: names.map(String), query };
  }
  return { page: 'nothing', names: [], query };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** @typedef {Readonly<Record<string, string | null | undefined>>} Query */

const part = encodeURIComponent;

/** @param {Query} [query] */
export const jobsLink = (query) => withQuery('#/jobs', query);
/** @param {string} job @param {Query} [query] */
export const jobLink = (job, query) => withQuery(`#/jobs/${part(job)}`, query);
/** @param {string} job @param {string} stage @param {string} item */
export const itemLink = (job, stage, item) => `#/jobs/${part(job)}/items/${part(stage)}/${part(item)}`;
/** @param {Query} [query] */
export const lettersLink = (query) => withQuery('#/dead-letters', query);
/** @param {string} id */
export const letterLink = (id) => `#/dead-letters/${part(id)}`;

/** @param {string} path @param {Query} [query] */
export function withQuery(path, query = {}) {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === null || value === undefined || value === '' ? [] : [[name, value]],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
