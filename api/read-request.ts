/** From a request to the values that its route takes. Throws RequestError. */
import type { z } from 'zod';
import { fieldError } from '../manifests/field-errors.ts';
import { parseJson, parseValue, rejected } from '../manifests/parse.ts';
import { RequestError, rejectedRequest } from './problem.ts';
import type { Route } from './route.ts';

/** Of a body that is no list of segments. */
export const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

export function readParams({ params }: Pick<Route, 'params'>, given: Readonly<Record<string, string>>): unknown {
  return params === undefined ? {} : parsed(params, given, 'the path');
}

export function readQuery({ query }: Pick<Route, 'query'>, given: URLSearchParams): unknown {
  const values: Record<string, string> = Object.create(null);
  for (const [name, value] of given) {
    if (Object.hasOwn(values, name)) {
      const error = fieldError(name, 'one value', 'several');
      throw new RequestError('REQUEST_INVALID', `the query: ${error.text}`, { errors: [error] });
    }
    values[name] = value;
  }
  if (query === undefined) return {};
  // A misspelt filter would otherwise answer everything.
  return parsed(query.strict(), { ...values }, 'the query');
}

export async function readBody(route: Pick<Route, 'body' | 'bodyOptional' | 'maxBodyBytes'>, request: Request): Promise<unknown> {
  if (route.body === undefined) return undefined;
  const text = await readText(request, route.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES);
  if (text === '' && route.bodyOptional === true) return parsed(route.body, {}, 'the body');
  const type = request.headers.get('content-type') ?? '';
  // A form of another site's page can send text/plain, but not this without asking first.
  if (!/^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(type)) {
    throw new RequestError('MEDIA_TYPE_UNSUPPORTED', `expected a body of application/json, found ${JSON.stringify(type)}`, {
      fix: 'Send the header Content-Type: application/json.',
    });
  }
  const json = parseJson(text);
  if (!json.ok) throw rejectedRequest({ ...json, code: 'REQUEST_INVALID' }, 'the body');
  return parsed(route.body, json.value, 'the body');
}

function parsed(schema: z.ZodType, value: unknown, what: string): unknown {
  const outcome = parseValue(schema, value, 'REQUEST_INVALID');
  if (outcome.ok) return outcome.value;
  throw rejectedRequest(outcome, what);
}

async function readText(request: Request, mostBytes: number): Promise<string> {
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > mostBytes) throw tooLarge(mostBytes);
  if (request.body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) throw tooLarge(mostBytes);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw rejectedRequest(rejected('REQUEST_INVALID', '', 'text in UTF-8', 'other bytes'), 'the body');
  }
}

function tooLarge(mostBytes: number): RequestError {
  return new RequestError('REQUEST_TOO_LARGE', `the body has more than ${mostBytes} bytes`, {
    fix: 'For very many segments, write segments.json into a bucket and send segments_uri.',
    // What was not read yet would be taken for the next request.
    headers: { connection: 'close' },
  });
}
