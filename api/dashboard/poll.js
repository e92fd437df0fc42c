/** Looks again and again, while somebody can see it. */

/** A look that took a second is followed by a pause of at least four: a slow bucket is left alone. */
const PAUSE_PER_LOOK = 4;

/**
 * @param {object} options
 * @param {() => Promise<void>} options.look throws nothing: it shows what goes wrong
 * @param {AbortSignal} options.signal ends it
 * @param {number} options.pauseMs at least, between two looks
 * @returns {() => Promise<void>} looks at once
 */
export function poll({ look, signal, pauseMs }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<void> | undefined} */
  let underWay;
  let isWantedAgain = false;

  async function run() {
    clearTimeout(timer);
    if (signal.aborted) return;
    const startMs = performance.now();
    do {
      isWantedAgain = false;
      await look();
    } while (isWantedAgain && !signal.aborted);
    underWay = undefined;
    if (signal.aborted) return;
    timer = setTimeout(tick, Math.max(pauseMs, (performance.now() - startMs) * PAUSE_PER_LOOK));
  }
  function tick() {
    if (!document.hidden) underWay ??= run();
  }
  const now = () => {
    if (underWay === undefined) underWay = run();
    else isWantedAgain = true;
    return underWay;
  };
  document.addEventListener('visibilitychange', tick, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  void now();
  return now;
}
