/**
 * Makes the RunPod endpoint that endpoint.json describes, or gives one that is there another image. Needs Node 22.18 or later and
 * nothing else. The key is read from RUNPOD_API_KEY and stands in one header: no list of processes shows it.
 *
 *   node infra/runpod/create-endpoint.ts --image ghcr.io/<you>/millrace-worker:1 [--name millrace] [--registry <id>] [--dry-run]
 *   node infra/runpod/create-endpoint.ts --image ghcr.io/<you>/millrace-worker:2 --endpoint <id> [--dry-run]
 *
 * The API is RunPod's REST API 2.0.0: POST /v2/serverless answers 201 with the endpoint, PATCH /v2/serverless/<id> changes one.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const API = 'https://api.runpod.io';
const TIMEOUT_MS = 60_000;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
/** `registry/path:tag`: machines keep images that they have, so a tag must never come to mean another image. */
const IMAGE = /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)+(:[\w][\w.-]*|@sha256:[0-9a-f]{64})$/;

const OPTIONS = {
  image: { type: 'string' },
  name: { type: 'string' },
  /** Credentials for a private registry, by the id that RunPod's console shows. */
  registry: { type: 'string' },
  /** An endpoint that is there: only its image is changed. */
  endpoint: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  /** For tests. */
  'api-url': { type: 'string', default: API },
} as const;

class Refused extends Error {}

interface Request {
  readonly method: 'POST' | 'PATCH';
  readonly url: string;
  readonly body: object;
}

function readRequest(): Request & { readonly dryRun: boolean } {
  const { values } = parseArgs({ options: OPTIONS });
  const { image, name, registry, endpoint, 'dry-run': dryRun, 'api-url': apiUrl } = values;
  if (image === undefined)
    throw new Refused('--image is needed: the worker\u2019s image in a registry, such as ghcr.io/<you>/millrace-worker:1');
  if (!IMAGE.test(image)) throw new Refused(`--image: expected registry/path:tag, found ${JSON.stringify(image)}`);
  if (image.endsWith(':latest'))
    throw new Refused('--image: expected a tag of its own, found latest, which machines that have it do not pull again');
  const api = new URL(apiUrl);
  if (api.protocol !== 'https:' && !LOOPBACK.test(api.hostname))
    throw new Refused('--api-url: expected https://, or the key would travel in the clear');
  const base = `${api.origin}/v2/serverless`;
  if (endpoint !== undefined) {
    if (!/^[\w-]+$/.test(endpoint)) throw new Refused('--endpoint: expected the id of an endpoint');
    if (name !== undefined || registry !== undefined)
      throw new Refused('--endpoint goes with --image alone: nothing else is changed');
    return { method: 'PATCH', url: `${base}/${endpoint}`, body: { image }, dryRun };
  }
  const described: object = JSON.parse(readFileSync(new URL('endpoint.json', import.meta.url), 'utf8'));
  const own = { image, ...(name === undefined ? {} : { name }), ...(registry === undefined ? {} : { registry }) };
  return { method: 'POST', url: base, body: { ...described, ...own }, dryRun };
}

async function send({ method, url, body }: Request): Promise<string> {
  const key = process.env.RUNPOD_API_KEY?.trim() ?? '';
  // Checked here, because an HTTP client would quote a key that no header can hold.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new Refused('RUNPOD_API_KEY is not set, or holds a space: a key that may manage endpoints');
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Refused(`RunPod answered ${response.status}: ${text.replaceAll(key, '…').slice(0, 2_000)}`);
  const answer: unknown = JSON.parse(text);
  const id = typeof answer === 'object' && answer !== null && 'id' in answer ? answer.id : undefined;
  if (typeof id !== 'string')
    throw new Refused('RunPod answered without an id: look in its console whether the endpoint is there');
  return id;
}

try {
  const request = readRequest();
  if (request.dryRun) {
    process.stdout.write(`${request.method} ${request.url}\n${JSON.stringify(request.body, null, 2)}\n`);
  } else {
    const id = await send(request);
    process.stderr.write(request.method === 'POST' ? 'The endpoint is there.\n' : 'New workers start with the new image.\n');
    process.stdout.write(`RUNPOD_ENDPOINT=${id}\n`);
  }
} catch (thrown) {
  const name = thrown instanceof Error ? thrown.message : String(thrown);
  process.stderr.write(`create-endpoint: ${name}\n`);
  process.exitCode = 1;
}
