/** Tells people who do not see the screen what has changed on it. */

/** @param {string} text */
export function announce(text) {
  const announcer = document.getElementById('announcer');
  if (announcer !== null) announcer.textContent = text;
}
