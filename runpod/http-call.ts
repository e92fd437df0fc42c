/**
 * One HTTP call to RunPod, with its end as a value. What matters to the caller is not which exception came, but
 * whether the request can have reached the other side: `not-sent` can be repeated, `no-answer` cannot be known.
 */
export type CallOutcome =
  | { readonly kind: 'answer'; readonly status: number; readonly text: string; readonly retryAfterMs?: number }
  /** Nothing left this machine: name not found, connection refused, or the caller gave up beforehand. */
  | { readonly kind: 'not-sent'; readonly reason: string }
  | { readonly kind: 'no-answer'; readonly reason: string };

export interface HttpCall {
  readonly method: 'GET' | 'POST';
  /** May hold worker and job ids; never log it. */
  readonly url: string;
  /** The whole header: clients send `Bearer <key>`, workers the raw key. */
  readonly authorization: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long to wait for the answer's first byte. */
  readonly timeoutMs: number;
  /** Gives up waiting. Once an answer has begun it is read to its end all the same: it may hold a job. */
  readonly signal?: AbortSignal | undefined;
  readonly fetch?: typeof fetch | undefined;
  readonly now?: (() => number) | undefined;
}

/** How long an answer that has begun may take to arrive whole. */
const BODY_TIMEOUT_MS = 30_000;
/** RunPod's largest documented payload is 20 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;

const TIMED_OUT = new Error('timed out');
const GIVEN_UP = new Error('given up');

export async function httpCall(call: HttpCall): Promise<CallOutcome> {
  if (call.signal?.aborted === true) return { kind: 'not-sent', reason: 'given up before it was sent' };
  const controller = new AbortController();
  const giveUp = () => controller.abort(GIVEN_UP);
  const timeOut = () => controller.abort(TIMED_OUT);
  call.signal?.addEventListener('abort', giveUp, { once: true });
  let timer = setTimeout(timeOut, call.timeoutMs);
  try {
    const response = await (call.fetch ?? fetch)(call.url, {
      method: call.method,
      headers: { ...call.headers, authorization: call.authorization },
      // A redirect followed by itself would repeat a POST elsewhere, with the key.
      redirect: 'manual',
      signal: controller.signal,
      ...(call.body === undefined ? {} : { body: call.body }),
    });
    call.signal?.removeEventListener('abort', giveUp);
    clearTimeout(timer);
    timer = setTimeout(timeOut, BODY_TIMEOUT_MS);
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), call.now ?? Date.now);
    const text = await readText(response);
    return { kind: 'answer', status: response.status, text, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  } catch (thrown) {
    if (controller.signal.aborted) {
      const timedOut = controller.signal.reason === TIMED_OUT;
      return { kind: 'no-answer', reason: timedOut ? 'no answer in time' : 'given up while waiting' };
    }
    return { kind: neverSent(thrown) ? 'not-sent' : 'no-answer', reason: failureName(thrown) };
  } finally {
    clearTimeout(timer);
    call.signal?.removeEventListener('abort', giveUp);
  }
}

/** A refusal is understood by its status alone, so only a success needs its text. */
async function readText(response: Response): Promise<string> {
  try {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > MAX_ANSWER_BYTES) throw new Error('answer too large');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (thrown) {
    if (response.ok) throw thrown;
    return '';
  }
}

/** Seconds or an HTTP date, as milliseconds from now, at most an hour. */
function parseRetryAfter(header: string | null, now: () => number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}

const NEVER_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_[A-Z]+|UND_ERR_CONNECT_TIMEOUT|CERT_.*|ERR_TLS_.*|.*_CERT(_.*)?|UNABLE_TO_.*)$/;

/** True where the failure came before the connection was made. */
function neverSent(thrown: unknown): boolean {
  return causes(thrown).some(
    (cause) =>
      ('code' in cause && NEVER_SENT.test(String(cause.code))) || ('syscall' in cause && String(cause.syscall) === 'connect'),
  );
}

/** Only an error's code is safe to print: messages of fetch can quote a header or a URL. */
function failureName(thrown: unknown): string {
  const coded = causes(thrown).find((cause) => 'code' in cause && typeof cause.code === 'string');
  return coded !== undefined && 'code' in coded ? String(coded.code) : 'connection failed';
}

const MAX_CAUSES = 16;

function causes(thrown: unknown): object[] {
  const found: object[] = [];
  const open: unknown[] = [thrown];
  while (open.length > 0 && found.length < MAX_CAUSES) {
    const next = open.shift();
    if (typeof next !== 'object' || next === null) continue;
    found.push(next);
    if (next instanceof AggregateError) open.push(...next.errors);
    if ('cause' in next) open.push(next.cause);
  }
  return found;
}
