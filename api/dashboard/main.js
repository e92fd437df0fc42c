/** Starts the dashboard: who asks, what the address shows, and the page for it. */
import { whenStranger } from './ask.js';
import { h, show } from './element.js';
import { itemPage } from './item-page.js';
import { jobPage } from './job-page.js';
import { jobsPage } from './jobs-page.js';
import { listenToKeys } from './keyboard.js';
import { letterPage } from './letter-page.js';
import { lettersPage } from './letters-page.js';
import { problemNotice } from './problem-notice.js';
import { readRoute } from './routes.js';
import { showSignIn, signOut, whoAmI } from './session.js';
import { keepTimesTrue } from './time.js';

/**
 * A page shows itself in `main` until `signal` is aborted. One that answers `changeQuery` stays when no more than the query has changed.
 * @typedef {object} PageContext
 * @property {HTMLElement} main
 * @property {AbortSignal} signal
 * @property {import('./routes.js').Route} route
 */
/** @typedef {(context: PageContext) => void | { changeQuery(query: URLSearchParams): void }} Page */

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
const nav = /** @type {HTMLElement} */ (document.querySelector('.top nav'));
const signOutButton = /** @type {HTMLButtonElement} */ (document.getElementById('sign-out'));

/** @type {Readonly<Record<import('./routes.js').Route['page'], Page>>} */
const PAGES = { jobs: jobsPage, job: jobPage, item: itemPage, letters: lettersPage, letter: letterPage, nothing: nothingPage };

/** @type {{ readonly id: string, readonly stop: AbortController, readonly live: ReturnType<Page> } | undefined} */
let current;
let isSigningIn = false;

/** @type {Page} */
function nothingPage() {
  document.title = 'Nothing here – Millrace';
  show(main, h('h1', {}, 'Nothing here'), h('p', {}, 'No page has this address. ', h('a', { href: '#/jobs' }, 'All jobs')));
}

/** A changed query is left to the page that is there: what is open in it stays open. */
function showRoute() {
  if (isSigningIn) return;
  const route = readRoute(location.hash);
  const id = JSON.stringify([route.page, ...route.names]);
  const { live } = current ?? {};
  if (current?.id === id && live) return live.changeQuery(route.query);
  const isFirst = current === undefined;
  current?.stop.abort();
  const stop = new AbortController();
  for (const link of document.querySelectorAll('[data-section]')) {
    const section = route.page.startsWith('letter') ? 'dead-letters' : 'jobs';
    if (link.getAttribute('data-section') === section) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
  }
  current = { id, stop, live: undefined };
  const shown = PAGES[route.page]({ main, signal: stop.signal, route });
  current = { id, stop, live: shown };
  if (isFirst) return;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

function askWho() {
  if (isSigningIn) return;
  isSigningIn = true;
  current?.stop.abort();
  current = undefined;
  signOutButton.hidden = true;
  nav.hidden = true;
  showSignIn(main, () => {
    isSigningIn = false;
    nav.hidden = false;
    void start();
  });
}

async function start() {
  try {
    const { authenticated, by } = await whoAmI();
    if (!authenticated) return askWho();
    signOutButton.hidden = by !== 'session';
    showRoute();
  } catch (thrown) {
    const again = h('button', { type: 'button', onclick: () => void start() }, 'Try again');
    show(main, h('h1', {}, 'Millrace'), problemNotice(thrown), again);
  }
}

whenStranger(askWho);
addEventListener('hashchange', showRoute);
signOutButton.addEventListener('click', async () => {
  await signOut().catch(() => undefined);
  askWho();
});
// A link to #main would change the address, which says what is shown.
document.getElementById('skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
listenToKeys();
keepTimesTrue();
void start();
