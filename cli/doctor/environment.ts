/** Whether the environment is complete, and says what it means to say. What a value alone can be wrong in was found before. */
import { VARIABLES } from '../../config.ts';
import { asMillraceError } from '../../errors.ts';
import { nearestName } from '../../manifests/nearest-name.ts';
import { createPlanner } from '../deployment.ts';
import { isSet } from '../local-environment.ts';
import { refuseOneQueue } from '../queue-address.ts';
import type { Check } from './check.ts';
import { deadLetterQueueOf, type Examination, queueOf } from './examination.ts';
import { allOr, type Finding, wrong } from './finding.ts';

const TABLE = 'The README has a table of all variables.';

/** What `millrace consume` does not start without. */
const OF_A_CONSUMER = ['MILLRACE_QUEUE_URL', 'RUNPOD_ENDPOINT', 'RUNPOD_API_KEY'] as const;

export const environment: Check = {
  name: 'environment',
  needs: [],
  fix: TABLE,
  async run(examination) {
    const wrongs = [...misspelt(examination.env)];
    if (examination.place !== 'worker') {
      const missing = OF_A_CONSUMER.filter((name) => !isSet(examination.env[name]));
      for (const name of missing) wrongs.push(wrong(`${name} is not set`, `Set it: ${VARIABLES[name].about} ${TABLE}`));
      wrongs.push(...contradictions(examination));
    }
    const set = Object.keys(VARIABLES).filter((name) => isSet(examination.env[name])).length;
    return allOr(wrongs, `${set} variables are set, each to a value that it takes`);
  },
};

/** A variable that nobody reads is most often one that somebody wanted to be read. */
function misspelt(env: Examination['env']): Finding[] {
  const known = Object.keys(VARIABLES);
  return Object.keys(env)
    .filter((name) => name.startsWith('MILLRACE_') && !Object.hasOwn(VARIABLES, name) && isSet(env[name]))
    .map((name) => {
      const nearest = nearestName(name, known);
      const found = `${name} is set, and no variable of Millrace`;
      return wrong(found, nearest === undefined ? `Remove it. ${TABLE}` : `Call it ${nearest}, or remove it.`);
    });
}

function contradictions(examination: Examination): Finding[] {
  const { MILLRACE_DEAD_LETTER_QUEUE_URL: dead, MILLRACE_QUEUE_URL: queue } = examination.config;
  const looks = [
    () => {
      const address = queueOf(examination);
      if (address !== undefined) deadLetterQueueOf(examination, address.kind);
    },
    () => dead !== undefined && refuseOneQueue(dead, queue),
    // Reads MILLRACE_PIPELINE_FILE.
    () => createPlanner(examination.config, () => examination.store),
  ];
  return looks.flatMap((look) => {
    try {
      look();
      return [];
    } catch (thrown) {
      const { message, fix } = asMillraceError(thrown);
      return [wrong(message, fix ?? TABLE)];
    }
  });
}
