/** Asks the API. What it refuses is thrown as what it said: problem details, with what to do and the id of the request. */

/** @typedef {import('../documents/problem-details.ts').ProblemDetails} ProblemDetails */

export class ApiError extends Error {
  /** @param {ProblemDetails} problem */
  constructor(problem) {
    super(problem.detail);
    this.name = 'ApiError';
    this.problem = problem;
  }
}

const TIMEOUT_MS = 60_000;

/** Called whenever the API does not know who asks. @type {() => void} */
let onStranger = () => {};

/** @param {() => void} listener */
export function whenStranger(listener) {
  onStranger = listener;
}

/**
 * @param {string} path
 * @param {{ method?: string, body?: object, signal?: AbortSignal }} [options]
 * @returns {Promise<any>} the JSON of the answer, undefined for none; who asks says in JSDoc which document it is
 */
export async function ask(path, { method = 'GET', body, signal } = {}) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  /** @type {RequestInit} */
  const request = {
    method,
    credentials: 'same-origin',
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  };
  if (body !== undefined) request.body = JSON.stringify(body);
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, request);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(noAnswer(path));
  }
  if (response.ok) return response.status === 204 ? undefined : response.json();
  const problem = await readProblem(response, path);
  if (response.status === 401 && path !== '/session') onStranger();
  throw new ApiError(problem);
}

/** @param {Response} response @param {string} path @returns {Promise<ProblemDetails>} */
async function readProblem(response, path) {
  const requestId = response.headers.get('x-request-id') ?? '';
  if (response.headers.get('content-type')?.startsWith('application/problem+json')) {
    const problem = await response.json().catch(() => undefined);
    if (problem !== undefined) return problem;
  }
  // Something between this page and the API has answered in its place.
  return {
    ...{
      type: 'about:blank',
      title: response.statusText,
      status: response.status,
      instance: path,
      code: `HTTP ${response.status}`,
    },
    ...{ detail: 'Something in front of the API has answered.', retryable: response.status >= 500, request_id: requestId },
  };
}

/** @param {string} path @returns {ProblemDetails} */
function noAnswer(path) {
  return {
    ...{
      type: 'about:blank',
      title: 'No answer',
      status: 503,
      instance: path,
      code: 'NO_ANSWER',
      retryable: true,
      request_id: '',
    },
    detail: 'The API does not answer.',
    fix: 'See whether millrace api (or millrace dev) still runs, and whether this machine still reaches it.',
  };
}
