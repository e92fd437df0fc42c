/** `/` goes to the page's filter, wherever one is, unless somebody is typing. */

export function listenToKeys() {
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (target instanceof HTMLElement && target.matches('input:not([type=checkbox]), select, textarea')) return;
    if (document.querySelector('dialog[open]') !== null) return;
    const filter = document.querySelector('[data-filter]');
    if (!(filter instanceof HTMLElement)) return;
    event.preventDefault();
    filter.focus();
    if (filter instanceof HTMLInputElement) filter.select();
  });
}
