/** docs/api.md against the API as it is served: its routes, and the requests and answers that the pages show. */

import { readFileSync } from 'node:fs';
import { lexer, type Token, walkTokens } from 'marked';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '../../../api/server.ts';
import { silentLogger } from '../../../log.ts';
import { valueAt } from '../../../manifests/schema-path.ts';
import { type ApiClient, clientOf } from '../../integration/api/client.ts';
import { answerCheck, OpenApi } from '../../integration/api/openapi.ts';
import { partsInMemory } from '../../integration/api/parts-in-memory.ts';
import { PAGES } from '../../integration/docs/commands.ts';
import { API_BLOCK, jsonBlocksOf } from './json-kinds.ts';

const TOKEN = 'the-token-of-the-pages';
const PAGE = new URL('../../../docs/api.md', import.meta.url);
/** Served beside the routes, and so not in the document of them. */
const NO_ROUTES = ['GET /', 'GET /openapi.json'];

const blocks = PAGES.flatMap(jsonBlocksOf).flatMap((block) => {
  const [, status, method = '', path = ''] = API_BLOCK.exec(block.name) ?? [];
  return path === '' ? [] : [{ ...block, status, method: method.toLowerCase(), path }];
});
const requests = blocks.filter(({ status }) => status === undefined);
const answers = blocks.filter(({ status }) => status !== undefined);

describe('docs/api.md', () => {
  let stop: () => Promise<void>;
  let api: ApiClient;
  let document: OpenApi;

  beforeAll(async () => {
    const server = await startApi({
      ...partsInMemory(),
      ...{ requestsPerMinute: 0, maxStreams: 1, host: '127.0.0.1', port: 0, tokens: [TOKEN], version: '1', log: silentLogger },
    });
    stop = () => server.stop();
    api = clientOf({ url: server.url, token: TOKEN });
    document = OpenApi.parse((await api.ask('GET', '/openapi.json', { token: false })).json);
  });
  afterAll(() => stop());

  it('has the routes that are served, each with its parameters', async () => {
    const served = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { parameters }]) => {
        const query = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
        return routeOf(method.toUpperCase(), path, query);
      }),
    );
    expect(routesOnPage().filter((route) => !NO_ROUTES.includes(route))).toEqual(served.sort());
    for (const route of NO_ROUTES) {
      expect(routesOnPage()).toContain(route);
      expect(await api.ask('GET', route.replace('GET ', ''), { token: false }), route).toMatchObject({ status: 200 });
    }
  });

  it.each(requests)('shows a body that `$method $path` takes', async ({ method, path, text }) => {
    expect(document.paths[path]?.[method]).toHaveProperty('requestBody');
    const { json } = await api.ask(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'talk-1'), { body: text });
    expect(json, String(valueAt(json, ['detail']))).not.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it.each(answers)('shows an answer that `$method $path` gives: $status', ({ method, path, status, text }) => {
    const code = Number(status);
    const headers = new Headers({ 'content-type': code < 400 ? 'application/json' : 'application/problem+json' });
    const faults = answerCheck(document)(method, path, { status: code, headers, json: JSON.parse(text) });
    expect(faults, faults.join('\n')).toEqual([]);
  });
});

/** The names of the query's parameters in the order of the alphabet. */
const routeOf = (method: string, path: string, query: readonly string[]): string =>
  `${method} ${path}${query.length === 0 ? '' : `?${query.toSorted().join('&')}`}`;

/** Whatever stands on the page as code and is a method and a path. One with its parameters stands for the same without. */
function routesOnPage(): string[] {
  const routes = new Map<string, Set<string>>();
  walkTokens(lexer(readFileSync(PAGE, 'utf8')), (token: Token) => {
    if (token.type !== 'codespan') return;
    const [, method = '', path = '', query = ''] = /^(GET|POST|DELETE|PUT|PATCH) (\/[^?\s]*)(?:\?(\S*))?$/.exec(token.text) ?? [];
    if (method === '') return;
    const names = routes.get(`${method} ${path}`) ?? new Set();
    routes.set(`${method} ${path}`, names);
    for (const name of new URLSearchParams(query).keys()) names.add(name);
  });
  return [...routes].map(([route, names]) => routeOf(...(route.split(' ') as [string, string]), [...names])).sort();
}
