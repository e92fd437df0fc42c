/** What a JSON block of a page may show. The words behind `json` on its fence say which, and so what it is checked against. */
import { existsSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { decodedLine } from '../../../cli/commands/decode.ts';
import { parsePastedText } from '../../../consumers/notifications/pasted-text.ts';
import { kindOfFileName, MANIFEST_KINDS, type Manifest, validateManifest } from '../../../manifests/kinds.ts';
import { type Parsed, parseDocument, parseJson } from '../../../manifests/parse.ts';
import { Stage } from '../../../manifests/pipeline.ts';
import { Problem } from '../../../manifests/problem.ts';
import { Result } from '../../../manifests/result.ts';
import { valueAt } from '../../../manifests/schema-path.ts';
import { WebhookEvent } from '../../../manifests/webhook-event.ts';
import { createGraph } from '../../../pipeline/graph.ts';
import { answerHealth } from '../../../telemetry/health.ts';
import { type CodeBlock, codeBlocksOf } from '../../integration/docs/code-blocks.ts';

export interface JsonBlock extends CodeBlock {
  readonly page: string;
  /** What stands behind `json`; empty where nothing does. */
  readonly name: string;
}

/** In the order of the page. */
export function jsonBlocksOf(page: string): JsonBlock[] {
  return codeBlocksOf(page).flatMap((block) => {
    const [, name = ''] = /^json(?: (.+))?$/.exec(block.info) ?? [];
    return /^json\b/.test(block.info) ? [{ ...block, page, name }] : [];
  });
}

/** What is wrong with a block, a sentence each. `above` are the blocks before it on its page, the nearest first. */
type Check = (block: JsonBlock, above: readonly JsonBlock[]) => readonly string[] | Promise<readonly string[]>;

interface Kind {
  /** For whoever names a fence. */
  readonly form: string;
  readonly fits: (name: string) => boolean;
  readonly check: Check;
}

/** A request of the API, `POST /path`, or an answer, `202 POST /path`. */
export const API_BLOCK = /^(?:(\d{3}) )?(GET|POST|DELETE) (\/\S*)$/;

const ROOT = new URL('../../../', import.meta.url);
/** Of a part of a stage: each field is right by itself. Which of them belong together is checked in the file that it comes from. */
const StageFields = z.strictObject(Stage.shape).partial();
const FIELDS_OF = /^fields of (\S+) in (\S+)$/;
const DECODED = /^decoded (\S+)$/;
const MESSAGE = 'message.json';

/** Written by Millrace: a field that the schema does not know would be dropped by it, and is wrong here. */
const WRITTEN: Readonly<Record<string, z.ZodType>> = { problem: Problem, result: Result, 'webhook-event': WebhookEvent };

const KINDS: readonly Kind[] = [
  {
    form: `a manifest by its file's name (${Object.values(MANIFEST_KINDS)
      .map(({ fileName }) => fileName)
      .join(', ')}), in any folder`,
    fits: (name) => !name.includes(' ') && kindOfFileName(name) !== undefined,
    check: ({ name, text }) => manifestFaults(name, text),
  },
  {
    form: `what Millrace writes: ${Object.keys(WRITTEN).join(', ')}`,
    fits: (name) => Object.hasOwn(WRITTEN, name),
    check: ({ name, text }) => writtenFaults(WRITTEN[name] ?? z.never(), text),
  },
  {
    form: 'fields of stages.NAME in FILE: some fields of a stage, as that pipeline of the repository has them',
    fits: (name) => FIELDS_OF.test(name),
    check: fieldsFaults,
  },
  { form: '.vscode/settings.json', fits: (name) => name === '.vscode/settings.json', check: editorFaults },
  {
    form: 'health of a consumer: what its /healthz answers',
    fits: (name) => name === 'health of a consumer',
    check: healthFaults,
  },
  { form: `${MESSAGE}: a bucket notification`, fits: (name) => name === MESSAGE, check: ({ text }) => faultsOf(decoded(text)) },
  {
    form: `decoded ${MESSAGE}: what \`millrace decode\` prints of the one above`,
    fits: (name) => DECODED.test(name),
    check: decodedFaults,
  },
  {
    form: 'METHOD /path: the body of a request of the API; STATUS METHOD /path: an answer',
    fits: (name) => API_BLOCK.test(name),
    // Against the routes that a running API has: api-page.test.ts.
    check: () => [],
  },
];

/** Nothing where the block is what its fence says, else a sentence for each thing that is wrong. */
export async function faultsOfBlock(block: JsonBlock, above: readonly JsonBlock[]): Promise<readonly string[]> {
  const json = parseJson(block.text);
  if (!json.ok) return faultsOf(json);
  const kind = KINDS.find(({ fits }) => fits(block.name));
  if (kind !== undefined) return kind.check(block, above);
  const forms = KINDS.map(({ form }) => `\n  json ${form}`).join('');
  const is = block.name === '' ? 'does not say what it shows' : `says that it shows "${block.name}", which no test knows`;
  return [`the fence ${is}. Name the kind behind \`json\`, or add one to tests/unit/docs/json-kinds.ts. There are:${forms}`];
}

export const faultsOf = (parsed: Parsed<unknown>): readonly string[] => (parsed.ok ? [] : parsed.errors.map(({ text }) => text));

function manifestFaults(name: string, text: string): readonly string[] {
  const parsed = validateManifest(name, text);
  return parsed.ok ? [...schemaFaults(name, text), ...faultsOf(graphOf(parsed.value))] : faultsOf(parsed);
}

/** What the stages of a pipeline.json say about each other. */
function graphOf(manifest: Manifest): Parsed<unknown> {
  if (manifest.kind !== 'pipeline') return { ok: true, value: manifest };
  const outcome = createGraph(manifest.document);
  return outcome.ok ? { ok: true, value: outcome.graph } : outcome;
}

/** The JSON Schema that a document names is that of its kind. */
function schemaFaults(name: string, text: string): readonly string[] {
  const schema = valueAt(JSON.parse(text), ['$schema']);
  if (schema === undefined) return [];
  const wanted = `manifests/schemas/${kindOfFileName(name)}.schema.json`;
  return String(schema).endsWith(`/${wanted}`) && existsSync(new URL(wanted, ROOT)) ? [] : [`$schema: expected ${wanted}`];
}

function writtenFaults(schema: z.ZodType, text: string): readonly string[] {
  const parsed = parseDocument(schema, text);
  if (!parsed.ok) return faultsOf(parsed);
  return isDeepStrictEqual(parsed.value, JSON.parse(text)) ? [] : ['it has fields that Millrace does not write'];
}

function fieldsFaults({ name, text }: JsonBlock): readonly string[] {
  const parsed = parseDocument(StageFields, text);
  if (!parsed.ok) return faultsOf(parsed);
  const [, path = '', file = ''] = FIELDS_OF.exec(name) ?? [];
  if (!existsSync(new URL(file, ROOT))) return [`there is no ${file}`];
  const stage = valueAt(JSON.parse(readFileSync(new URL(file, ROOT), 'utf8')), path.split('.'));
  const shown = Object.entries(JSON.parse(text) as Record<string, unknown>);
  return shown.flatMap(([field, value]) =>
    isDeepStrictEqual(valueAt(stage, [field]), value) ? [] : [`${field}: ${path} in ${file} has something else`],
  );
}

const EditorSettings = z.strictObject({
  'json.schemas': z.array(z.strictObject({ fileMatch: z.array(z.string()), url: z.string().startsWith('./') })),
});

function editorFaults({ text }: JsonBlock): readonly string[] {
  const parsed = parseDocument(EditorSettings, text);
  if (!parsed.ok) return faultsOf(parsed);
  return parsed.value['json.schemas'].flatMap(({ fileMatch, url }) => {
    const kinds = fileMatch.map(kindOfFileName);
    const isTheirs = existsSync(new URL(url, ROOT)) && kinds.every((kind) => url.endsWith(`/${kind}.schema.json`));
    return isTheirs ? [] : [`${url}: expected the JSON Schema of ${fileMatch.join(', ')}`];
  });
}

async function healthFaults({ text }: JsonBlock): Promise<readonly string[]> {
  const parsed = parseDocument(z.object({ reasons: z.array(z.string()).default([]) }), text);
  if (!parsed.ok) return faultsOf(parsed);
  const checks = { live: () => parsed.value.reasons, ready: async () => [] };
  const answer = await answerHealth({ checks, registry: new Registry() }, '/healthz');
  return differenceFrom(answer?.body ?? '', text);
}

/** The lines that `millrace decode` prints. */
function decoded(text: string): Parsed<readonly string[]> {
  const lines = [];
  for (const { parsed } of parsePastedText(text)) {
    if (parsed.kind === 'ignored') lines.push(JSON.stringify(parsed));
    else if (parsed.kind === 'events') lines.push(...parsed.events.map((event) => JSON.stringify(decodedLine(event))));
    else
      return { ok: false, code: parsed.error.code, errors: [{ field: '', expected: '', found: '', text: parsed.error.message }] };
  }
  return { ok: true, value: lines };
}

function decodedFaults({ text }: JsonBlock, above: readonly JsonBlock[]): readonly string[] {
  const message = above.find(({ name }) => name === MESSAGE);
  if (message === undefined) return [`there is no block \`json ${MESSAGE}\` above it`];
  const lines = decoded(message.text);
  return lines.ok ? differenceFrom(lines.value.join('\n'), text) : faultsOf(lines);
}

const differenceFrom = (real: string, shown: string): readonly string[] =>
  real.trim() === shown.trim() ? [] : [`expected ${real.trim()}`];
