/** The OpenAPI document that the API serves, and what it says of an answer. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { z } from 'zod';
import type { Answer } from './client.ts';

const Content = z.record(z.string(), z.object({ schema: z.unknown().optional() }));
const Operation = z.object({
  parameters: z.array(
    z.object({
      name: z.string(),
      in: z.enum(['path', 'query']),
      required: z.boolean(),
      schema: z.record(z.string(), z.unknown()),
    }),
  ),
  requestBody: z.object({ content: Content }).optional(),
  responses: z.record(z.string(), z.object({ content: Content.optional() })),
});
export type Operation = z.infer<typeof Operation>;
export const OpenApi = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.record(z.string(), z.unknown())) }),
});
export type OpenApi = z.infer<typeof OpenApi>;

/** What is wrong with an answer by the document; nothing where all is well. The method is in lower case, the path as the document has it. */
export type AnswerCheck = (
  method: string,
  path: string,
  answer: Pick<Answer, 'status' | 'headers' | 'json'>,
) => readonly string[];

export function answerCheck(document: OpenApi): AnswerCheck {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, 'api');
  const known = new Map<string, ValidateFunction>();
  const validatorOf = (...path: readonly string[]): ValidateFunction => {
    const pointer = path.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    const validate = known.get(pointer) ?? ajv.compile({ $ref: `api#/${pointer}` });
    known.set(pointer, validate);
    return validate;
  };
  return (method, path, { status, headers, json }) => {
    const responses = document.paths[path]?.[method]?.responses ?? {};
    const name = [String(status), `${Math.floor(status / 100)}XX`].find((each) => responses[each] !== undefined);
    if (name === undefined) return [`${status} is not documented`];
    const content = responses[name]?.content;
    const mediaType = (headers.get('content-type') ?? '').replace(/;.*/, '');
    if (content === undefined) return mediaType === '' || status === 304 ? [] : [`a body of ${mediaType} is not documented`];
    const type = [mediaType, '*/*'].find((each) => content[each] !== undefined);
    if (type === undefined) return [`${mediaType} is not documented`];
    if (content[type]?.schema === undefined) return [];
    const validate = validatorOf('paths', path, method, 'responses', name, 'content', type, 'schema');
    return validate(json) ? [] : (validate.errors ?? []).map(faultOf);
  };
}

const faultOf = ({ instancePath, message, params }: ErrorObject): string =>
  `${instancePath === '' ? 'the body' : instancePath} ${message} ${JSON.stringify(params)}`;
