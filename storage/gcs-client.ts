/**
 * Requests to Google Cloud Storage, with every wait, every pool and every answer bounded.
 *
 * Google's library finds the credentials, keeps their tokens fresh and signs URLs. Its own way of sending is not used: it takes no
 * abort signal, opens as many sockets as it is asked for, and unpacks bodies whose ranges are counted in packed bytes.
 */
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { addAbortSignal } from 'node:stream';
import { setTimeout as timeout } from 'node:timers/promises';
import type { Storage } from '@google-cloud/storage';
import { MillraceError } from '../errors.ts';
import { credentialsError, GcsRefusal, isNetworkFailure, isTransientStatus } from './gcs-errors.ts';

export interface GcsClientSettings {
  /** Google's own unless given. */
  readonly apiEndpoint?: string;
  /** Application Default Credentials (GOOGLE_APPLICATION_CREDENTIALS, a metadata server, …) unless given. */
  readonly credentials?: { readonly client_email: string; readonly private_key: string };
  /** A service account's key file, instead of what GOOGLE_APPLICATION_CREDENTIALS names in this process's environment. */
  readonly keyFile?: string;
  /** How long an answer may take, and how long a transfer may stand still. */
  readonly requestTimeoutMs?: number;
  /** Tries of one request, the first included. */
  readonly maxAttempts?: number;
  /** 0 up to, not including, 1. */
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface GcsRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Behind the endpoint: path and query, escaped. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly signal?: AbortSignal | undefined;
}

export interface GcsAnswer {
  /** Below 400. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage;
}

export interface GcsClient {
  /** Sent once. Throws GcsRefusal, Node's network errors, or MillraceError where no credentials can be had. */
  once(request: GcsRequest): Promise<GcsAnswer>;
  /** Sent again where that can help: only for what does no harm when it is done twice. */
  repeatedly(request: GcsRequest): Promise<GcsAnswer>;
  /** Waits before try `attempt + 1`, longer each time. Rejects when `signal` is aborted. */
  pause(attempt: number, signal: AbortSignal | undefined): Promise<void>;
  readonly maxAttempts: number;
  /** For signing. */
  library(): Promise<Storage>;
  /** `work`, held to the time limit of an answer. */
  inTime<T>(work: Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): void;
}

const GOOGLE_ENDPOINT = 'https://storage.googleapis.com';
const DEFAULT_REQUEST_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_ATTEMPTS = 4;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;
const MAX_SOCKETS = 64;
const MAX_REFUSAL_BYTES = 64 * 1024;

export function createGcsClient(settings: GcsClientSettings): GcsClient {
  const endpoint = new URL(settings.apiEndpoint ?? GOOGLE_ENDPOINT);
  const { requestTimeoutMs = DEFAULT_REQUEST_TIMEOUT_MS, maxAttempts = DEFAULT_MAX_ATTEMPTS } = settings;
  const { random = Math.random, sleep = sleepFor } = settings;
  const [Agent, send] = endpoint.protocol === 'https:' ? [HttpsAgent, requestHttps] : [HttpAgent, requestHttp];
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  let opened: Promise<Storage> | undefined;

  /** Loaded with the first request: it is large, and most processes never need it. */
  function library(): Promise<Storage> {
    opened ??= openLibrary(settings, endpoint);
    return opened;
  }

  async function inTime<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    const limit = AbortSignal.timeout(requestTimeoutMs);
    const either = signal === undefined ? limit : AbortSignal.any([limit, signal]);
    let stop = () => {};
    const late = new Promise<never>((_, reject) => {
      stop = () => reject(signal?.aborted === true ? stopped() : timedOut());
      either.addEventListener('abort', stop, { once: true });
      if (either.aborted) stop();
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      either.removeEventListener('abort', stop);
    }
  }

  async function signIn(signal: AbortSignal | undefined): Promise<Record<string, string>> {
    const headers = library().then((storage) => storage.authClient.getRequestHeaders(endpoint.origin));
    try {
      return Object.fromEntries(await inTime(headers, signal));
    } catch (thrown) {
      throw isStop(thrown) ? thrown : credentialsError(thrown);
    }
  }

  function exchange(request: GcsRequest, headers: Readonly<Record<string, string>>): Promise<GcsAnswer> {
    const { method, target, body, signal } = request;
    return new Promise((resolve, reject) => {
      const outgoing = send({
        protocol: endpoint.protocol,
        hostname: endpoint.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: endpoint.port,
        // As it is: a URL object would resolve dots that are part of a key.
        path: target,
        method,
        agent,
        timeout: requestTimeoutMs,
        headers: { ...request.headers, ...headers, 'content-length': String(body?.length ?? 0) },
        ...(signal === undefined ? {} : { signal }),
      });
      outgoing.once('error', reject);
      outgoing.once('timeout', () => outgoing.destroy(timedOut()));
      outgoing.once('response', (answer) => {
        outgoing.removeAllListeners('timeout');
        // The same clock goes on: it runs while nothing arrives.
        outgoing.once('timeout', () => answer.destroy(timedOut()));
        outgoing.on('error', () => undefined);
        // A reader is told by its own means; an answer that is only drained must not end the process by breaking off.
        answer.on('error', () => undefined);
        if (signal !== undefined) addAbortSignal(signal, answer);
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
      });
      outgoing.end(body);
    });
  }

  async function once(request: GcsRequest): Promise<GcsAnswer> {
    if (request.signal?.aborted === true) throw stopped();
    const answer = await exchange(request, await signIn(request.signal));
    if (answer.status < 400) return answer;
    throw new GcsRefusal(answer.status, await beginningOf(answer.body));
  }

  function pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    return sleep(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)) * (0.5 + random() / 2), signal);
  }

  return {
    once,
    async repeatedly(request) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(request);
        } catch (thrown) {
          const helps = thrown instanceof GcsRefusal ? isTransientStatus(thrown.status) : isTransientFailure(thrown);
          if (!helps || attempt >= maxAttempts || request.signal?.aborted === true) throw thrown;
        }
        await pause(attempt, request.signal);
      }
    },
    pause,
    maxAttempts,
    library,
    inTime,
    close() {
      agent.destroy();
    },
  };
}

async function openLibrary(settings: GcsClientSettings, endpoint: URL): Promise<Storage> {
  const { Storage } = await import('@google-cloud/storage');
  const storage = new Storage({
    // Always given: the library would else take it from a variable of the environment that is meant for its own emulators.
    apiEndpoint: endpoint.origin,
  });
  const key = settings.credentials ?? (settings.keyFile === undefined ? undefined : await readKeyFile(settings.keyFile));
  // Set here, because the library writes to the console where it is given one as an option.
  if (key !== undefined) storage.authClient.jsonContent = { type: 'service_account', ...key };
  // A service account's key signs its tokens itself then, as in Google's client for Go: one service less that can be away.
  storage.authClient.useJWTAccessWithScope = true;
  return storage;
}

async function readKeyFile(file: string): Promise<Record<string, unknown>> {
  try {
    const key: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof key === 'object' && key !== null) return { ...key };
  } catch (thrown) {
    // What JSON.parse says quotes the text, and that is a key.
    if (!(thrown instanceof SyntaxError)) throw unreadable(file, thrown);
  }
  throw unreadable(file);
}

function unreadable(file: string, cause?: unknown): MillraceError {
  return new MillraceError('CONFIG_INVALID', `GOOGLE_APPLICATION_CREDENTIALS: ${file} is no key file that can be read`, {
    cause,
  });
}

function isTransientFailure(thrown: unknown): boolean {
  return thrown instanceof MillraceError ? thrown.retryable : isNetworkFailure(thrown);
}

function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}

function stopped(): Error {
  return Object.assign(new Error('stopped'), { code: 'ABORT_ERR' });
}

function isStop(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && (thrown.code === 'ABORT_ERR' || thrown.code === 'ETIMEDOUT');
}

/** Enough of a refusal to tell why; never throws, for the status has been read already. */
async function beginningOf(body: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= MAX_REFUSAL_BYTES) break;
    }
  } catch {
    // What has arrived is all there is.
  }
  body.destroy();
  return Buffer.concat(chunks).toString('utf8');
}

const sleepFor = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  timeout(ms, undefined, signal === undefined ? {} : { signal });
