/** Asks the API of a stack as another program would. */
import type { LocalStack } from '../../../cli/local-stack.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where the body is no JSON. */
  readonly json: unknown;
}

export interface AskOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** False sends no token. */
  readonly token?: boolean;
}

export interface ApiClient {
  readonly url: string;
  readonly token: string;
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>;
}

export function clientOf({ url, token }: LocalStack['description']['api']): ApiClient {
  return {
    url,
    token,
    async ask(method, path, { body, headers = {}, token: withToken = true } = {}) {
      const response = await fetch(`${url}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(withToken ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, json: parsed(text) };
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
