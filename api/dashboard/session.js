/** Signing in: a token becomes a cookie that no script can read. Where the API asks nobody, none of this is seen. */
import { announce } from './announcer.js';
import { ask } from './ask.js';
import { h, show } from './element.js';
import { problemNotice } from './problem-notice.js';

/** @returns {Promise<import('zod').infer<typeof import('../documents/session.ts').SessionView>>} */
export const whoAmI = () => ask('/session');

export const signOut = () => ask('/session', { method: 'DELETE' });

/**
 * @param {Element} main
 * @param {() => void} onSignedIn
 */
export function showSignIn(main, onSignedIn) {
  document.title = 'Sign in – Millrace';
  const state = h('div', {});
  const input = h('input', {
    ...{ type: 'password', id: 'token', name: 'token', autocomplete: 'current-password', required: true, maxlength: 512 },
    'aria-describedby': 'token-help',
  });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const form = h(
    'form',
    { class: 'sign-in' },
    h('h1', {}, 'Sign in'),
    h('label', { for: 'token' }, 'Token'),
    input,
    h(
      'p',
      { id: 'token-help', class: 'faint' },
      'One of ',
      h('code', {}, 'MILLRACE_API_TOKENS'),
      '; ',
      h('code', {}, 'millrace dev'),
      ' prints its own. It is exchanged for a session of twelve hours, and kept nowhere here.',
    ),
    state,
    button,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    input.removeAttribute('aria-invalid');
    try {
      await ask('/session', { method: 'POST', body: { token: input.value.trim() } });
      announce('Signed in');
      onSignedIn();
    } catch (thrown) {
      show(state, problemNotice(thrown));
      input.setAttribute('aria-invalid', 'true');
      input.select();
    }
    button.disabled = false;
  });
  show(main, form);
  input.focus();
}
