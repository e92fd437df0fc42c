/** The client of RunPod's endpoints: pipeline/dispatcher.ts over HTTP. */
import { MillraceError, type MillraceErrorOptions } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Dispatcher, DispatchOutcome, RunRequest, RunStatus } from '../pipeline/dispatcher.ts';
import { parseEndpoint } from './endpoint-url.ts';
import { type CallOutcome, httpCall } from './http-call.ts';
import { parseJsonText } from './json-text.ts';
import { Accepted, EndpointHealth, parseRunStatus } from './run-status.ts';

export type { EndpointHealth } from './run-status.ts';

export interface RunpodDispatcherOptions {
  /** By name; `default` is the one that stages use which name none. `url` is anything that parseEndpoint reads. */
  readonly endpoints: Readonly<Record<string, { readonly url: string; readonly apiKey: string }>>;
  readonly log: Logger;
  readonly now?: () => number;
  readonly fetch?: typeof fetch;
  /** For an answer of any call; RUN_TIMEOUT_MS and ASK_TIMEOUT_MS unless told. */
  readonly timeoutMs?: number;
}

export interface RunpodDispatcher extends Dispatcher {
  /** Throws RUN_REFUSED or RUN_UNAUTHORIZED. */
  health(endpoint: string, signal?: AbortSignal): Promise<EndpointHealth>;
}

/** RunPod says 10 MB, without saying which; the smaller reading is safe in both. */
export const MAX_RUN_BYTES = 10_000_000;
/** Longer than a connection may take to be made, so that a host that is away reads as `not-sent`. */
const RUN_TIMEOUT_MS = 30_000;
const ASK_TIMEOUT_MS = 15_000;

const DAY_MS = 86_400_000;
/** RunPod refuses a policy outside these. */
const EXECUTION_TIMEOUT_MS = { least: 5_000, most: 7 * DAY_MS };
const TTL_MS = { least: 10_000, most: 7 * DAY_MS };

/** A gateway that passed the call on and heard nothing (504; Cloudflare's 524) knows no more than a timeout here does. */
const GATEWAY_TIMEOUTS = new Set([504, 524]);
/** A refusal of the request itself: the same request will be refused again. */
const NEVER_ACCEPTABLE = new Set([400, 413, 422]);
/** What RunPod answers when there is nothing to cancel any more. */
const NOTHING_TO_CANCEL = new Set([400, 404, 409]);

interface Endpoint {
  readonly name: string;
  readonly url: string;
  readonly apiKey: string;
}

export function createRunpodDispatcher(options: RunpodDispatcherOptions): RunpodDispatcher {
  const { log } = options;
  const endpoints = new Map(Object.entries(options.endpoints).map(([name, given]) => [name, endpointOf(name, given)]));

  function find(name: string): Endpoint {
    const endpoint = endpoints.get(name);
    if (endpoint !== undefined) return endpoint;
    throw new MillraceError('ENDPOINT_NOT_ALLOWED', `The settings name no RunPod endpoint "${name}".`, {
      context: { endpoint: name },
    });
  }

  async function call(
    endpoint: Endpoint,
    method: 'GET' | 'POST',
    path: string,
    { body, timeoutMs, signal }: { body?: string; timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<CallOutcome> {
    const outcome = await httpCall({
      method,
      url: `${endpoint.url}${path}`,
      authorization: `Bearer ${endpoint.apiKey}`,
      timeoutMs: options.timeoutMs ?? timeoutMs,
      signal,
      fetch: options.fetch,
      now: options.now,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
    const end = outcome.kind === 'answer' ? { status: outcome.status } : { reason: outcome.reason };
    log.debug({ endpoint: endpoint.name, call: path, outcome: outcome.kind, ...end }, 'RunPod was called.');
    return outcome;
  }

  /** The text of a 2xx answer, `null` for one of `absent`; anything else is thrown. */
  async function ask(
    endpoint: Endpoint,
    method: 'GET' | 'POST',
    path: string,
    { signal, absent }: { signal?: AbortSignal | undefined; absent: ReadonlySet<number> },
  ): Promise<string | null> {
    const outcome = await call(endpoint, method, path, { timeoutMs: ASK_TIMEOUT_MS, signal });
    if (outcome.kind === 'answer' && isSuccess(outcome.status)) return outcome.text;
    if (outcome.kind === 'answer' && absent.has(outcome.status)) return null;
    if (outcome.kind === 'answer') throw refusal(endpoint, outcome.status);
    throw new MillraceError('RUN_REFUSED', `RunPod could not be asked: ${outcome.reason}.`, {
      context: { endpoint: endpoint.name },
    });
  }

  return {
    async run(request, signal) {
      const endpoint = endpoints.get(request.endpoint);
      if (endpoint === undefined) {
        const message = `The settings name no RunPod endpoint "${request.endpoint}".`;
        return { kind: 'refused', error: new MillraceError('ENDPOINT_NOT_ALLOWED', message) };
      }
      const body = runBody(request);
      const bytes = Buffer.byteLength(body);
      if (bytes > MAX_RUN_BYTES) return { kind: 'refused', error: tooLarge(endpoint, bytes) };
      return dispatchOutcome(endpoint, await call(endpoint, 'POST', '/run', { body, timeoutMs: RUN_TIMEOUT_MS, signal }));
    },

    async status(name, runId, signal): Promise<RunStatus> {
      const endpoint = find(name);
      const path = `/status/${encodeURIComponent(runId)}`;
      const text = await ask(endpoint, 'GET', path, { signal, absent: new Set([404]) });
      if (text === null) return { kind: 'unknown' };
      const status = parseRunStatus(text);
      if (status !== undefined) return status;
      throw new MillraceError('RUN_REFUSED', 'RunPod answered with a status that is not known.', {
        context: { endpoint: name, runId },
      });
    },

    async cancel(name, runId, signal) {
      await ask(find(name), 'POST', `/cancel/${encodeURIComponent(runId)}`, { signal, absent: NOTHING_TO_CANCEL });
    },

    async health(name, signal) {
      const text = await ask(find(name), 'GET', '/health', { signal, absent: new Set() });
      const health = EndpointHealth.safeParse(parseJsonText(text ?? ''));
      if (health.success) return health.data;
      throw new MillraceError('RUN_REFUSED', "RunPod's health cannot be read.", { context: { endpoint: name } });
    },
  };
}

function endpointOf(name: string, given: { readonly url: string; readonly apiKey: string }): Endpoint {
  // Checked here, because an HTTP client would quote a key that no header can hold.
  if (!/^[\x21-\x7e]+$/.test(given.apiKey)) {
    throw new MillraceError('CONFIG_INVALID', `The API key of the RunPod endpoint "${name}" is empty or holds a space.`);
  }
  return { name, url: parseEndpoint(given.url), apiKey: given.apiKey };
}

function runBody({ input, executionTimeoutSeconds, ttlSeconds }: RunRequest): string {
  return JSON.stringify({
    input,
    policy: {
      executionTimeout: withinMs(executionTimeoutSeconds, EXECUTION_TIMEOUT_MS),
      ttl: withinMs(ttlSeconds, TTL_MS),
    },
  });
}

function withinMs(seconds: number, { least, most }: { least: number; most: number }): number {
  return Math.min(Math.max(Math.ceil(seconds * 1000), least), most);
}

function dispatchOutcome(endpoint: Endpoint, outcome: CallOutcome): DispatchOutcome {
  const context = { endpoint: endpoint.name };
  if (outcome.kind === 'not-sent') {
    const error = new MillraceError('RUN_REFUSED', `RunPod could not be reached: ${outcome.reason}.`, { context });
    return { kind: 'refused', error };
  }
  if (outcome.kind === 'no-answer') return { kind: 'uncertain', error: uncertain(outcome.reason, { context }) };
  if (isSuccess(outcome.status)) {
    const accepted = Accepted.safeParse(parseJsonText(outcome.text));
    if (accepted.success) return { kind: 'accepted', runId: accepted.data.id };
    return { kind: 'uncertain', error: uncertain('its answer names no run', { context }) };
  }
  if (GATEWAY_TIMEOUTS.has(outcome.status)) {
    return { kind: 'uncertain', error: uncertain(`a gateway answered ${outcome.status}`, { context }) };
  }
  const retryAfter = outcome.retryAfterMs === undefined ? {} : { retryAfterMs: outcome.retryAfterMs };
  return { kind: 'refused', error: refusal(endpoint, outcome.status), ...retryAfter };
}

function uncertain(why: string, options: MillraceErrorOptions): MillraceError {
  return new MillraceError('RUN_UNCERTAIN', `RunPod may or may not have taken a run: ${why}.`, options);
}

function refusal(endpoint: Endpoint, status: number): MillraceError {
  const context = { endpoint: endpoint.name, status };
  if (status === 401 || status === 403) {
    const fix = 'Check RUNPOD_API_KEY, and that it may call this endpoint.';
    return new MillraceError('RUN_UNAUTHORIZED', `RunPod refused the API key (${status}).`, { context, fix });
  }
  if (status === 404) {
    const fix = 'Check RUNPOD_ENDPOINT.';
    return new MillraceError('RUN_UNAUTHORIZED', 'RunPod knows no such endpoint (404).', { context, fix });
  }
  const options = NEVER_ACCEPTABLE.has(status) ? { context, retryable: false } : { context };
  return new MillraceError('RUN_REFUSED', `RunPod answered ${status}.`, options);
}

function tooLarge(endpoint: Endpoint, bytes: number): MillraceError {
  return new MillraceError('RUN_TOO_LARGE', `A run's input has ${bytes} bytes; RunPod takes ${MAX_RUN_BYTES}.`, {
    context: { endpoint: endpoint.name },
    fix: 'Put fewer items into one run.',
  });
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
