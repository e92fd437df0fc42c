/** What to do where there is nothing yet. */
import { h } from './element.js';

const SEGMENTS = '[{"start_sec":0,"duration_sec":8},{"start_sec":8,"duration_sec":8}]';

/** @param {string} text */
const command = (text) => h('pre', {}, h('code', {}, text));

export function firstSteps() {
  return h(
    'section',
    { class: 'first-steps' },
    h('h2', {}, 'No jobs yet'),
    h('p', {}, 'A job is a folder in the bucket. Write a file into it, and what that makes possible begins.'),
    h(
      'ol',
      {},
      h('li', {}, 'Say in ', h('code', {}, 'segments.json'), ' how to cut a recording:', command(SEGMENTS)),
      h(
        'li',
        {},
        'Send both. Each file goes where its name says that it belongs:',
        command('npx millrace submit talk-1 talk.m4a segments.json'),
      ),
      h('li', {}, 'The job ', h('code', {}, 'talk-1'), ' appears here by itself, and its segments as they are cut.'),
    ),
    h(
      'p',
      { class: 'faint' },
      'A job that was sent and is not here: this API may look at another bucket than the one it was sent to (VIDEOS_BUCKET, MILLRACE_PIPELINES_PREFIX). ',
      'Another program would use POST /api/pipeline/segment (',
      h('a', { href: '/openapi.json' }, 'openapi.json'),
      ').',
    ),
  );
}
