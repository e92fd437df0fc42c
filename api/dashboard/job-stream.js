/**
 * A job as it changes, by server-sent events. A browser tries again by itself after a lost connection, but not after an answer that is no
 * stream; a page that nobody sees gives its connection back, because a browser has six of them for one server.
 */
import { ask } from './ask.js';

/** @typedef {import('../documents/job.ts').JobView} JobView */
/** @typedef {'connecting' | 'live' | 'lost' | 'ended' | 'paused'} StreamState */

const FIRST_PAUSE_MS = 2_000;
const MAX_PAUSE_MS = 30_000;
/** A job that has ended can begin again: somebody retries it elsewhere, or writes another file into it. */
const ENDED_PAUSE_MS = 5_000;

/**
 * @param {object} options
 * @param {string} options.job
 * @param {AbortSignal} options.signal
 * @param {(view: JobView) => void} options.onView
 * @param {(state: StreamState) => void} options.onState
 * @param {(thrown: unknown) => void} options.onError
 */
export function followJob({ job, signal, onView, onState, onError }) {
  const path = `/api/jobs/${encodeURIComponent(job)}`;
  /** @type {EventSource | undefined} */
  let source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let pauseMs = FIRST_PAUSE_MS;

  function close() {
    source?.close();
    source = undefined;
    clearTimeout(timer);
  }

  /** @param {number} waitMs */
  function later(waitMs) {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(open, waitMs);
  }

  /** @param {MessageEvent} event */
  const read = (event) => /** @type {JobView} */ (JSON.parse(event.data));

  function open() {
    close();
    if (signal.aborted || document.hidden) return;
    onState('connecting');
    const stream = new EventSource(`${path}/events`);
    source = stream;
    stream.addEventListener('job', (event) => {
      pauseMs = FIRST_PAUSE_MS;
      onState('live');
      onView(read(event));
    });
    stream.addEventListener('end', (event) => {
      close();
      onView(read(event));
      onState('ended');
      later(ENDED_PAUSE_MS);
    });
    stream.addEventListener('error', () => {
      onState('lost');
      if (stream.readyState !== EventSource.CLOSED) return;
      close();
      void askWhy();
      later(pauseMs);
      pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2);
    });
  }

  /** An EventSource does not tell what the answer was. */
  async function askWhy() {
    try {
      onView(await ask(`${path}?limit=0`, { signal }));
    } catch (thrown) {
      if (!signal.aborted) onError(thrown);
    }
  }

  document.addEventListener(
    'visibilitychange',
    () => {
      if (!document.hidden) return open();
      close();
      onState('paused');
    },
    { signal },
  );
  signal.addEventListener('abort', close);
  open();
  return {
    /** Looks at once, whether it had ended or not. */
    again: open,
  };
}
