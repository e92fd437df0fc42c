/** Which dead letters a group is made of. Pure. */

/** @typedef {import('zod').infer<typeof import('../documents/dead-letters.ts').Letter>} Letter */
/** @typedef {import('zod').infer<typeof import('../documents/dead-letters.ts').LetterGroup>} LetterGroup */

/** As the API groups them. */
const SEVERAL = 'several';

/**
 * The ids of those letters of a list that a group counts. Filters could not say it: a group may be of letters that name no job, or several.
 * @param {Pick<LetterGroup, 'code' | 'job' | 'stage'>} group
 * @param {readonly Pick<Letter, 'id' | 'code' | 'jobs' | 'stages'>[]} list
 * @returns {string[]}
 */
export function idsOfGroup({ code, job, stage }, list) {
  return list
    .filter((letter) => letter.code === code && oneOf(letter.jobs) === job && oneOf(letter.stages) === stage)
    .map(({ id }) => id);
}

/** @param {readonly string[]} names */
function oneOf(names) {
  return names.length > 1 ? SEVERAL : (names[0] ?? null);
}
