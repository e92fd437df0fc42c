/** What can be asked of a job. Whatever cannot be taken back is asked about first. */
import { announce } from './announcer.js';
import { ask } from './ask.js';
import { openDialog } from './dialog.js';
import { h } from './element.js';
import { plural } from './format.js';
import { jobsLink } from './routes.js';

/** @typedef {import('../documents/job.ts').JobView} JobView */

const DELETE_PAUSE_MS = 1_000;
const MOST_DELETES = 120;

const path = (/** @type {string} */ job) => `/api/jobs/${encodeURIComponent(job)}`;

/**
 * Of a stage, or of some of its items; of the whole job without either.
 * @param {string} job
 * @param {{ stage?: string, items?: number[] }} what
 * @returns {Promise<string>} what has come of it
 */
export async function retry(job, what) {
  const { retried, reconciled } = await ask(`${path(job)}/retry`, { method: 'POST', body: what });
  const text =
    retried === 0
      ? 'Nothing to retry: none of it has failed or is gone.'
      : `${plural(retried, 'item')} will be tried again${reconciled ? '.' : ', once a consumer looks at the job.'}`;
  announce(text);
  return text;
}

/**
 * @param {JobView} view
 * @param {{ onDone: (text: string) => void, onError: (thrown: unknown) => void }} listeners
 */
export function actionButtons(view, { onDone, onError }) {
  const { job_id: job, counts, cancelled, ended } = view;
  const again = counts.failed + counts.removed + counts.retrying;
  const act = (/** @type {() => Promise<string>} */ work) => async (/** @type {Event} */ event) => {
    const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
    button.disabled = true;
    try {
      onDone(await work());
    } catch (thrown) {
      onError(thrown);
    }
    button.disabled = false;
  };
  const stages = view.stages.filter((stage) => stage.counts.failed + stage.counts.removed + stage.counts.retrying > 0);
  return [
    again > 0 && !cancelled
      ? h(
          'button',
          { type: 'button', class: 'primary', 'data-action': 'retry', onclick: act(() => retry(job, {})) },
          `Retry ${plural(again, 'item')}`,
        )
      : null,
    ...(cancelled || stages.length < 2 ? [] : stages).map(({ name }) =>
      h(
        'button',
        { type: 'button', 'data-action': `retry-${name}`, onclick: act(() => retry(job, { stage: name })) },
        `Retry ${name}`,
      ),
    ),
    cancelled
      ? h('button', { type: 'button', class: 'primary', 'data-action': 'resume', onclick: act(() => resume(job)) }, 'Resume')
      : null,
    cancelled || (ended && counts.failed === 0)
      ? null
      : h('button', { type: 'button', 'data-action': 'cancel', onclick: () => askToCancel(job, onDone) }, 'Cancel …'),
    h('button', { type: 'button', 'data-action': 'delete', onclick: () => askToDelete(job) }, 'Delete …'),
  ];
}

/** @param {string} job */
async function resume(job) {
  const { reconciled } = await ask(`${path(job)}/resume`, { method: 'POST', body: {} });
  return reconciled ? 'It goes on.' : 'It goes on, once a consumer looks at it.';
}

/** @param {string} job @param {(text: string) => void} onDone */
function askToCancel(job, onDone) {
  const reason = h('input', { type: 'text', maxlength: 1000, autocomplete: 'off', autofocus: true });
  openDialog({
    title: `Cancel ${job}?`,
    body: [
      h('p', {}, 'What runs is stopped, and nothing more of it begins. What is done stays. Resume takes it back.'),
      h('label', { class: 'field' }, h('span', {}, 'Why, for whoever asks later (may be empty)'), reason),
    ],
    confirm: 'Cancel the job',
    dangerous: true,
    async act() {
      const text = reason.value.trim();
      const { was_cancelled: before } = await ask(`${path(job)}/cancel`, {
        method: 'POST',
        body: text === '' ? {} : { reason: text },
      });
      onDone(before ? 'It was cancelled before.' : 'It is cancelled; runs that are under way are being stopped.');
    },
  });
}

/** @param {string} job */
function askToDelete(job) {
  openDialog({
    title: `Delete ${job}?`,
    body: [
      h(
        'p',
        {},
        'It is cancelled, and then everything in its folder is deleted for good: inputs, outputs, results and its history.',
      ),
    ],
    confirm: 'Delete the job',
    dangerous: true,
    typed: job,
    async act(tell) {
      for (let times = 0; times < MOST_DELETES; times += 1) {
        const { finished, running, deleted_objects: deleted } = await ask(path(job), { method: 'DELETE' });
        if (finished) {
          announce(`${job} is deleted`);
          location.hash = jobsLink();
          return;
        }
        tell(
          running > 0 ? `Waiting for ${plural(running, 'run')} to stop …` : `${plural(deleted, 'object')} deleted, going on …`,
        );
        await new Promise((resolve) => setTimeout(resolve, DELETE_PAUSE_MS));
      }
      throw new Error('its runs have not stopped; it is cancelled, and can be deleted later');
    },
  });
}
