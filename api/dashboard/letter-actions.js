/** Sending dead letters again, and deleting them: first it is said what would happen, then it is done. */
import { ask } from './ask.js';
import { openDialog } from './dialog.js';
import { h, show } from './element.js';
import { plural } from './format.js';
import { problemNotice } from './problem-notice.js';

/** @typedef {import('zod').infer<typeof import('../documents/dead-letters.ts').LettersDone>} LettersDone */

/** The API goes on where it stopped; a queue that never ends is left after so many times. */
const MOST_REQUESTS = 50;

/**
 * @param {'replay' | 'discard'} action
 * @param {readonly string[]} ids
 * @param {(text: string) => void} onDone
 */
export function askToWork(action, ids, onDone) {
  const path = `/api/dead-letters/${action}`;
  const isReplay = action === 'replay';
  const forecast = h('div', { class: 'forecast', 'aria-live': 'polite' }, h('p', {}, 'Looking at what it would do …'));
  const force = h('input', { type: 'checkbox', id: 'force', onchange: () => void foretell() });
  const choice = () => ({ ids, ...(isReplay && force.checked ? { force: true } : {}) });

  async function foretell() {
    try {
      /** @type {LettersDone} */
      const done = await ask(path, { method: 'POST', body: { ...choice(), dry_run: true } });
      const to = done.to === null ? '' : h('code', {}, ` ${done.to}`);
      const what = isReplay ? ' would be sent again to' : ' would be deleted for good.';
      show(
        forecast,
        h('p', {}, h('strong', {}, plural(done.done, 'letter')), what, to),
        done.quarantined === 0
          ? null
          : h(
              'p',
              { class: 'tone-warn' },
              `‖ ${plural(done.quarantined, 'letter')} would stay: sent again too often already, without success.`,
            ),
        done.seen === 0
          ? h('p', {}, 'They are not to be seen at this moment: somebody else may hold them. Try again in half a minute.')
          : null,
        ...done.notes.map((note) => h('p', { class: 'faint' }, note)),
      );
    } catch (thrown) {
      show(forecast, problemNotice(thrown));
    }
  }

  openDialog({
    title: isReplay ? `Replay ${plural(ids.length, 'letter')}?` : `Discard ${plural(ids.length, 'letter')}?`,
    body: [
      h(
        'p',
        {},
        isReplay
          ? 'A consumer gets them once more. Twice does no harm: an event only means that a job is to be looked at.'
          : 'What they told is lost. The jobs they are about are still looked at by the hourly audit.',
      ),
      forecast,
      isReplay ? h('label', { class: 'check', for: 'force' }, force, ' Also those that were sent again too often') : null,
    ],
    confirm: isReplay ? 'Replay' : 'Discard',
    dangerous: !isReplay,
    async act(tell) {
      let total = 0;
      for (let times = 0; times < MOST_REQUESTS; times += 1) {
        /** @type {LettersDone} */
        const done = await ask(path, { method: 'POST', body: choice() });
        total += done.done + done.sent_before;
        if (done.failed > 0)
          throw new Error(
            `${plural(done.failed, 'letter')} could not be ${isReplay ? 'sent' : 'deleted'}: ${done.notes.join(' ')}`,
          );
        if (done.finished) {
          const stayed = done.quarantined === 0 ? '' : ` ${plural(done.quarantined, 'letter')} stayed, sent again too often.`;
          onDone(`${plural(total, 'letter')} ${isReplay ? 'sent again' : 'discarded'}.${stayed}`);
          return;
        }
        tell(`${plural(total, 'letter')} so far …`);
      }
      onDone(`${plural(total, 'letter')} so far: there are more. Do it again.`);
    },
  });
  void foretell();
}
