/**
 * Loaded into every Node process of a test run (`--import`, through NODE_OPTIONS), by bin/test.mjs. Writes down, in a file of the
 * process's own under TEST_RECORDS, what must hold no secret (lines on stdout and stderr, posted answers, results, problems,
 * state), and which secrets were about: signatures and tokens of every request that was made or served, and keys of the environment.
 * Afterwards `report-process.ts` looks for the latter in the former.
 */
import { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import {
  LEAST_SECRET_CHARACTERS,
  RECORDER,
  type Recorded,
  type Recorder,
  secretsOfAuthorization,
  secretsOfUrl,
} from './records.ts';

const FOLDER = process.env.TEST_RECORDS ?? '';
/** What of a body is kept: results and answers are far smaller. */
const MAX_BODY_BYTES = 1024 * 1024;
/** Requests whose bodies are for people and other programs to read. Not those of `/run`: presigned URLs belong there. */
const READABLE = /\/(results|problems|job-done)\/|pipelines-state|\.(succeeded|failed|cancelled|refused)\.json/;
const KEYS =
  /^(HMAC_SECRET|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|RUNPOD_API_KEY|RUNPOD_AI_API_KEY|MILLRACE_\w*(TOKEN|SECRET|KEY))$/;

// The pinging thread prints nothing.
if (FOLDER !== '' && isMainThread)
  start(fs.openSync(join(FOLDER, `${process.pid}-${process.hrtime.bigint()}.jsonl`), 'a', 0o600));

function start(file: number): void {
  const write = fs.writeSync;
  const known = new Set<string>();
  const source = process.argv.slice(1, 3).join(' ');
  const record: Recorder = (recorded) => void write(file, `${JSON.stringify({ source, ...recorded } satisfies Recorded)}\n`);
  const secret = (text: string) => {
    if (text.length < LEAST_SECRET_CHARACTERS || known.has(text)) return;
    known.add(text);
    write(file, `${JSON.stringify({ secret: text })}\n`);
  };
  const request = (url: string, authorization: unknown) => {
    for (const text of [...secretsOfUrl(url), ...secretsOfAuthorization(authorization)]) secret(text);
  };
  Object.assign(globalThis, { [RECORDER]: record });
  for (const [name, value] of Object.entries(process.env)) if (KEYS.test(name) && value !== undefined) secret(value);

  subscribe('http.client.request.start', (message) => {
    const { request: sent } = message as { request: ClientRequest };
    request(sent.path, sent.getHeader('authorization'));
  });
  subscribe('undici:request:create', (message) => {
    const { path, headers } = (message as { request: { path: string; headers: unknown } }).request;
    request(path, authorizationIn(headers));
  });
  subscribe('http.server.request.start', (message) => {
    const { request: taken } = message as { request: IncomingMessage };
    request(taken.url ?? '', taken.headers.authorization);
    if (taken.method !== 'GET' && READABLE.test(taken.url ?? '')) recordBody(taken, record);
  });
  recordPrinted(record);
  passOn();
}

/** Names and values in turn. */
function authorizationIn(headers: unknown): unknown {
  if (!Array.isArray(headers)) return undefined;
  const at = headers.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'authorization');
  return at === -1 ? undefined : headers[at + 1];
}

/** Seen as the parser hands it on: whoever serves the request reads it as ever. */
function recordBody(request: IncomingMessage, record: Recorder): void {
  const push = request.push.bind(request);
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.push = (chunk, encoding) => {
    if (chunk === null)
      record({ kind: 'body', about: request.url?.replace(/\?.*$/, '') ?? '', text: Buffer.concat(chunks).toString('utf8') });
    else if (bytes < MAX_BODY_BYTES) chunks.push(Buffer.from(chunk));
    bytes += chunk?.length ?? 0;
    return push(chunk, encoding);
  };
}

function recordPrinted(record: Recorder): void {
  const seen = (name: string, chunk: unknown) => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString('utf8');
    for (const line of text.split('\n')) if (line !== '') record({ kind: name, about: '', text: line });
  };
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name];
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    stream.write = (...args: unknown[]) => {
      seen(name, args[0]);
      return write(...args);
    };
  }
  // Loggers write to the descriptor itself.
  const writeSync = fs.writeSync as (...args: unknown[]) => number;
  fs.writeSync = ((...args: unknown[]) => {
    if (args[0] === 1 || args[0] === 2) seen(args[0] === 1 ? 'stdout' : 'stderr', args[1]);
    return writeSync(...args);
  }) as typeof fs.writeSync;
}

interface SpawnOptions {
  readonly file: string;
  readonly envPairs?: string[];
}

/** Suites give their processes an environment of their own: without this the recorder would not be in it. */
function passOn(): void {
  const prototype = ChildProcess.prototype as unknown as { spawn(this: ChildProcess, options: SpawnOptions): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    if (options.file === process.execPath && options.envPairs !== undefined) {
      for (const name of ['NODE_OPTIONS', 'TEST_RECORDS']) {
        if (!options.envPairs.some((pair) => pair.startsWith(`${name}=`))) options.envPairs.push(`${name}=${process.env[name]}`);
      }
    }
    return spawn.call(this, options);
  };
}
