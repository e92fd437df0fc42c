/**
 * Random requests, made from the OpenAPI document that the API serves itself: none may find a defect, and each answer must be what the
 * document says of its status.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '../../../api/server.ts';
import { silentLogger } from '../../../log.ts';
import { type ApiClient, clientOf } from './client.ts';
import { answerCheck, OpenApi, type Operation } from './openapi.ts';
import { partsInMemory } from './parts-in-memory.ts';

const TOKEN = 'the-token-of-the-random-requests';
const JOBS = ['talk-1', 'talk-2'];
const RUNS = 250;

type Schema = Readonly<Record<string, unknown>>;

describe('random requests', () => {
  let stop: () => Promise<void>;
  let api: ApiClient;
  let document: OpenApi;

  beforeAll(async () => {
    const parts = partsInMemory();
    const { store } = parts.planner;
    for (const job of JOBS) {
      await store.put(`pipelines/${job}/inputs/audio/master.wav`, 'x');
      await store.put(`pipelines/${job}/stage/segmentation/segments.json`, '[{"start_sec":0,"duration_sec":1}]');
    }
    const limits = { requestsPerMinute: 0, maxStreams: 1000, pollMs: 20 };
    const server = await startApi({
      ...parts,
      ...limits,
      host: '127.0.0.1',
      port: 0,
      tokens: [TOKEN],
      version: '1',
      log: silentLogger,
    });
    stop = () => server.stop();
    api = clientOf({ url: server.url, token: TOKEN });
    document = OpenApi.parse((await api.ask('GET', '/openapi.json', { token: false })).json);
  });
  afterAll(() => stop());

  it('find no defect, and answers that the document describes', async () => {
    const check = answerCheck(document);
    // A stream of events has no end, and a limited number of tries at tokens is what a test of its own is about.
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, operation]) =>
        path.endsWith('/events') || path === '/session' ? [] : [{ method: method.toUpperCase(), path, operation }],
      ),
    );
    expect(operations.length).toBeGreaterThan(12);
    const answered = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...operations).chain(({ method, path, operation }) =>
          fc.record({
            method: fc.constant(method),
            path: fc.constant(path),
            address: addressOf(path, operation, document),
            body: bodyOf(operation, document),
          }),
        ),
        async ({ method, path, address, body }) => {
          const answer = await api.ask(method, address, body === undefined ? {} : { body: JSON.stringify(body) });
          answered.add(`${method} ${path} ${answer.status}`);
          expect(answer.status, `${method} ${address} ${JSON.stringify(body)}: ${answer.text}`).not.toBe(500);
          expect(check(method.toLowerCase(), path, answer), `${method} ${address}: ${answer.status} ${answer.text}`).toEqual([]);
        },
      ),
      { numRuns: RUNS },
    );
    // Requests that are all refused would prove little.
    const well = [...answered].filter((each) => / 20\d$/.test(each));
    expect(well.length, [...answered].join('\n')).toBeGreaterThan(5);
  }, 60_000);

  it('have parameters with values that their schemas allow', () => {
    const parameters = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).flatMap((each) => each.parameters),
    );
    const flags = parameters.filter(({ schema }) => schema.type === 'boolean');
    expect(flags.map(({ name }) => name).sort()).toEqual(expect.arrayContaining(['cost', 'download']));
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const { name, schema } of flags) expect(ajv.validate(schema, true), name).toBe(true);
  });

  it('may begin with any bytes at all', async () => {
    await fc.assert(
      fc.asyncProperty(anyText(60), fc.constantFrom('GET', 'POST', 'DELETE'), async (text, method) => {
        const address = `/${encodeURI(text.toWellFormed()).replaceAll('#', '%23')}`;
        const { status } = await api.ask(method, address, method === 'POST' ? { body: text } : {});
        expect(status).toBeLessThan(500);
      }),
      { numRuns: 100 },
    );
  });
});

/** Any code points, halves of pairs and ASCII among them. fast-check's own of that kind take seconds to make their tables. */
function anyText(maxLength: number): fc.Arbitrary<string> {
  const codePoint = fc.oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0, max: 0xffff }),
    fc.integer({ min: 0, max: 0x10ffff }),
  );
  return fc.array(codePoint, { maxLength }).map((codes) => String.fromCodePoint(...codes));
}

/** Mostly what the document asks for, sometimes anything. */
function addressOf(path: string, { parameters }: Operation, document: OpenApi): fc.Arbitrary<string> {
  const values = Object.fromEntries(
    parameters.map((parameter) => {
      const wanted = fc.oneof(
        { arbitrary: textOf(parameter.name, parameter.schema, document), weight: 6 },
        { arbitrary: anyText(10).filter((text) => text !== ''), weight: 1 },
      );
      return [parameter.name, parameter.in === 'path' ? wanted : fc.option(wanted, { nil: undefined, freq: 2 })];
    }),
  );
  return fc.record(values).map((given) => {
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent((given[name] ?? '').toWellFormed()));
    const query = parameters.flatMap(({ name, in: place }) => {
      const value = place === 'query' ? given[name] : undefined;
      return value === undefined ? [] : [[name, value.toWellFormed()]];
    });
    return query.length === 0 ? filled : `${filled}?${new URLSearchParams(Object.fromEntries(query))}`;
  });
}

function textOf(name: string, schema: Schema, document: OpenApi): fc.Arbitrary<string> {
  if (name === 'job_id' || name === 'after') return fc.constantFrom(...JOBS, 'nobody');
  if (name === 'stage') return fc.constantFrom('segmentation', 'clips', 'nothing');
  if (name === 'key') return fc.constantFrom('inputs/audio/master.wav', 'stage/segmentation/segments.json', 'none');
  if (name === 'code') return fc.constantFrom('INTERNAL', 'NOT_FOUND', 'NOTHING');
  return madeFrom(schema, document).map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
}

function bodyOf({ requestBody }: Operation, document: OpenApi): fc.Arbitrary<unknown> {
  const schema = requestBody?.content['application/json']?.schema as Schema | undefined;
  if (schema === undefined) return fc.constant(undefined);
  return fc.oneof({ arbitrary: madeFrom(schema, document), weight: 8 }, { arbitrary: fc.jsonValue(), weight: 1 });
}

/** Values of a JSON Schema, as far as those of the document go. */
function madeFrom(schema: Schema, document: OpenApi): fc.Arbitrary<unknown> {
  const { $ref, anyOf, type, properties, required, items, minimum, maximum, pattern, format } = schema;
  if (typeof $ref === 'string') return madeFrom(document.components.schemas[$ref.split('/').at(-1) ?? ''] ?? {}, document);
  if ('const' in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map((each: Schema) => madeFrom(each, document)));
  switch (type) {
    case 'object': {
      const fields = Object.entries((properties ?? {}) as Record<string, Schema>);
      const needed = Array.isArray(required) ? required : [];
      return fc.record(Object.fromEntries(fields.map(([name, field]) => [name, fieldOf(name, field, document)])), {
        requiredKeys: needed as never[],
      });
    }
    case 'array':
      return fc.array(madeFrom((items ?? {}) as Schema, document), { minLength: 1, maxLength: 4 });
    case 'integer':
      return fc.integer({ min: Number(minimum ?? 0), max: Math.min(Number(maximum ?? 1000), 1000) });
    case 'number':
      return fc.double({ min: 0.001, max: 1000, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'string':
      if (format === 'date-time')
        return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString());
      return typeof pattern === 'string' ? fc.stringMatching(new RegExp(pattern)) : fc.string();
    default:
      return fc.jsonValue();
  }
}

/** What is worth asking for is what is there; no request of a test leaves this machine. */
function fieldOf(name: string, schema: Schema, document: OpenApi): fc.Arbitrary<unknown> {
  if (name === 'job_id') return fc.constantFrom(...JOBS, 'new-1', 'new-2');
  if (name.endsWith('_r2_uri'))
    return fc.constantFrom('s3://videos/pipelines/talk-1/inputs/audio/master.wav', 's3://videos/none', 's3://else/x');
  if (name.endsWith('_http_url'))
    return fc.constantFrom('https://media.example.com/a.wav', 'http://[', 'https://a b', 'http://10.0.0.1/x.png');
  if (name === 'segments_uri') {
    return fc.constantFrom(
      's3://videos/pipelines/talk-1/stage/segmentation/segments.json',
      's3://videos/none',
      'http://127.0.0.1/x',
      'http://[',
    );
  }
  return madeFrom(schema, document);
}
