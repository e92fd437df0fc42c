/** The OpenAPI 3.1 document, made from the routes and the schemas that check their requests. */
import { z } from 'zod';
import { PROBLEM_MEDIA_TYPE, ProblemDetails } from './documents/problem-details.ts';
import type { Access, DocumentedAnswer, Route } from './route.ts';

type Json = Readonly<Record<string, unknown>>;

const PROBLEM: DocumentedAnswer = { description: 'Why not.', schema: ProblemDetails, mediaType: PROBLEM_MEDIA_TYPE };

export function openApiDocument(routes: readonly Route[], version: string): Json {
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, Record<string, unknown>> = {};
  const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): unknown => {
    // Inside of another, a schema with an id is a reference, and stands among the definitions.
    const { properties, $defs = {} } = renamed(z.toJSONSchema(z.object({ it: schema }), { io, unrepresentable: 'any' })) as {
      properties: { it: unknown };
      $defs?: Record<string, Json>;
    };
    for (const [id, { id: _, ...definition }] of Object.entries($defs)) schemas[id] = definition;
    return properties.it;
  };
  const answerOf = ({ description, schema, mediaType }: DocumentedAnswer): Json => {
    const type = mediaType ?? (schema === undefined ? undefined : 'application/json');
    if (type === undefined) return { description };
    return { description, content: { [type]: schema === undefined ? {} : { schema: schemaOf(schema, 'output') } } };
  };

  for (const route of routes) {
    const { method, summary, access, params, query, body, bodyOptional, answers } = route;
    const documented = Object.entries({ ...answers }).map(([status, answer]) => [status, answerOf(answer)]);
    const operation = {
      summary,
      operationId: operationId(route),
      security: securityOf(access),
      parameters: [...parameters(params, 'path', schemaOf), ...parameters(query, 'query', schemaOf)],
      ...(body === undefined
        ? {}
        : {
            requestBody: {
              required: bodyOptional !== true,
              content: { 'application/json': { schema: schemaOf(body, 'input') } },
            },
          }),
      responses: { ...Object.fromEntries(documented), '4XX': answerOf(PROBLEM), '5XX': answerOf(PROBLEM) },
    };
    const path = documentedPath(route);
    paths[path] = { ...paths[path], [method]: operation };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Millrace', version, description: 'Jobs of a media pipeline whose state is a bucket.' },
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        metricsToken: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'millrace_session' },
      },
    },
  };
}

function parameters(
  object: z.ZodObject | undefined,
  place: 'path' | 'query',
  schemaOf: (schema: z.ZodType, io: 'input') => unknown,
): Json[] {
  return Object.entries(object?.shape ?? {}).map(([name, field]) => {
    const schema = field as z.ZodType;
    return { name, in: place, required: !schema.safeParse(undefined).success, schema: schemaOf(schema, 'input') };
  });
}

function securityOf(access: Access): Json[] {
  if (access === 'open') return [];
  return [{ token: [] }, { session: [] }, ...(access === 'scraper' ? [{ metricsToken: [] }] : [])];
}

/** `{key...}` is a name for people and for this program only. */
const documentedPath = ({ path }: Route): string => path.replaceAll('...}', '}');

/** `getApiJobsByJobId` */
function operationId({ method, path }: Route): string {
  const parts = path.split(/[^A-Za-z0-9{]+/).filter((part) => part !== '');
  return method + parts.map((part) => (part.startsWith('{') ? `By${capital(part.slice(1))}` : capital(part))).join('');
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** The definitions of a JSON Schema become the components of the document. */
function renamed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(renamed);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [
      name,
      name === '$ref' && typeof value === 'string' ? value.replace('#/$defs/', '#/components/schemas/') : renamed(value),
    ]),
  );
}
