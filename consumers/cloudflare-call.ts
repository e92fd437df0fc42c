/** One request to Cloudflare's API: its result, or why there is none as a MillraceError. */
import { MillraceError, withoutSecrets } from '../errors.ts';
import { Envelope } from './cloudflare-answer.ts';

export interface CloudflareCall {
  readonly url: string;
  readonly token: string;
  /** POST with a body, GET without. */
  readonly body: object | undefined;
  /** Beside those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly fetch?: typeof fetch | undefined;
}

/** A hundred messages of 128 KB, base64-encoded and some of it escaped. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;
const MAX_REASON_CHARACTERS = 200;

/** The API's name for a queue whose delivery somebody has paused. */
const PAUSED = 'queue_delivery_paused';

/** Throws CANCELLED where `signal` ended it. */
export async function callCloudflare(call: CloudflareCall): Promise<unknown> {
  const { response, text } = await exchange(call);
  const envelope = Envelope.safeParse(parsed(text));
  if (response.ok && envelope.success && envelope.data.success !== false) return envelope.data.result;
  const reasons = envelope.success ? (envelope.data.errors ?? []).map(({ message }) => message) : [];
  throw refusal(call, response, reasons);
}

async function exchange(call: CloudflareCall): Promise<{ response: Response; text: string }> {
  const timeout = AbortSignal.timeout(call.timeoutMs);
  const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
  try {
    const response = await (call.fetch ?? fetch)(call.url, {
      method: call.body === undefined ? 'GET' : 'POST',
      headers: {
        ...call.headers,
        authorization: `Bearer ${call.token}`,
        'content-type': 'application/json',
        accept: 'application/json',
      },
      // A redirect followed by itself would carry the token elsewhere.
      redirect: 'manual',
      signal,
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    return { response, text: await readText(response) };
  } catch (thrown) {
    if (call.signal?.aborted === true) throw new MillraceError('CANCELLED', 'A request to the queue was given up.');
    const reason = timeout.aborted ? `no answer within ${call.timeoutMs} ms` : failureName(thrown);
    throw new MillraceError('QUEUE_UNREACHABLE', `The queue could not be asked: ${reason}.`);
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw Object.assign(new Error('too large'), { code: 'ANSWER_TOO_LARGE' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refusal({ token }: CloudflareCall, response: Response, reasons: readonly string[]): MillraceError {
  const { status } = response;
  const said = withoutSecrets(reasons.join('; ').replaceAll(token, '…')).slice(0, MAX_REASON_CHARACTERS);
  const because = said === '' ? `HTTP ${status}` : `HTTP ${status}, ${said}`;
  const context = { status };
  if (status === 429) {
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'));
    return new MillraceError('QUEUE_BUSY', `The queue asks for fewer requests (${because}).`, {
      context: { ...context, retryAfterMs },
    });
  }
  if (status === 401 || status === 403) {
    return new MillraceError('QUEUE_FORBIDDEN', `The queue refused the API token (${because}).`, {
      context,
      fix: 'Give an API token of the account that owns the queue, with the permission Queues Edit.',
    });
  }
  if (status === 405) {
    return new MillraceError('QUEUE_NOT_PULLABLE', `The queue has no HTTP pull consumer (${because}).`, {
      context,
      fix: 'Add one: wrangler queues consumer http add <queue name>.',
    });
  }
  if (reasons.some((reason) => reason.includes(PAUSED))) {
    return new MillraceError('QUEUE_PAUSED', `The delivery of the queue is paused (${because}).`, {
      context,
      fix: 'Resume it: wrangler queues resume-delivery <queue name>.',
    });
  }
  const isRefused = status >= 400 && status < 500 && status !== 408;
  // A success without a readable envelope, and a redirect, come from something in between.
  if (isRefused || (response.ok && reasons.length > 0)) {
    return new MillraceError('QUEUE_ERROR', `The queue refused a request (${because}).`, { context });
  }
  return new MillraceError('QUEUE_UNREACHABLE', `The queue did not give a usable answer (${because}).`, { context });
}

/** Seconds or an HTTP date, as milliseconds from now, at most an hour. */
function parseRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const MAX_CAUSES = 8;

/** Only an error's code is safe to print: messages of fetch can quote a header or a URL. */
function failureName(thrown: unknown): string {
  for (let error = thrown, depth = 0; error instanceof Error && depth < MAX_CAUSES; error = error.cause, depth += 1) {
    if ('code' in error && typeof error.code === 'string') return error.code;
  }
  return 'the connection failed';
}
