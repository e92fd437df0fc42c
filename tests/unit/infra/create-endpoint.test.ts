import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../../infra/runpod/create-endpoint.ts', import.meta.url));
const DESCRIBED: object = JSON.parse(readFileSync(new URL('../../../infra/runpod/endpoint.json', import.meta.url), 'utf8'));
const KEY = 'rpa_key-of-a-test';
const IMAGE = 'ghcr.io/you/millrace-worker:1';

interface Asked {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly body: unknown;
}

/** RunPod's REST API as far as the script uses it: 201 with the endpoint, problem details otherwise. */
const asked: Asked[] = [];
let answer = { status: 201, body: { id: 'ep123', name: 'millrace' } as object };
const server = createServer(async (request, response) => {
  const { method, url: path, headers } = request;
  const body: unknown = JSON.parse(await text(request));
  asked.push({ method, path, authorization: headers.authorization, contentType: headers['content-type'], body });
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
});
let api = '';

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  api = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked.length = 0;
  answer = { status: 201, body: { id: 'ep123', name: 'millrace' } };
});

async function run(args: readonly string[], env: Readonly<Record<string, string>> = { RUNPOD_API_KEY: KEY }) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SCRIPT, '--api-url', api, ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (child.exitCode === null) await once(child, 'exit');
  return { code: child.exitCode, stdout, stderr };
}

describe('the script that makes the endpoint', () => {
  it('sends what endpoint.json describes, with the image and the key, and prints the setting', async () => {
    const { code, stdout } = await run(['--image', IMAGE, '--name', 'mine', '--registry', 'reg1']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'RUNPOD_ENDPOINT=ep123\n' });
    expect(asked).toEqual([
      {
        ...{ method: 'POST', path: '/v2/serverless', authorization: `Bearer ${KEY}`, contentType: 'application/json' },
        body: { ...DESCRIBED, image: IMAGE, name: 'mine', registry: 'reg1' },
      },
    ]);
  });

  it('changes nothing but the image of an endpoint that is there', async () => {
    answer = { status: 200, body: { id: 'ep123' } };
    const { code } = await run(['--image', 'ghcr.io/you/millrace-worker:2', '--endpoint', 'ep123']);
    expect(code).toBe(0);
    expect(asked).toMatchObject([
      { method: 'PATCH', path: '/v2/serverless/ep123', body: { image: 'ghcr.io/you/millrace-worker:2' } },
    ]);
  });

  it('shows what it would send, without a key and without sending it', async () => {
    const { code, stdout } = await run(['--image', IMAGE, '--dry-run'], {});
    expect(code).toBe(0);
    const [first, ...body] = stdout.split('\n');
    expect(first).toBe(`POST ${api}/v2/serverless`);
    expect(JSON.parse(body.join('\n'))).toEqual({ ...DESCRIBED, image: IMAGE });
    expect(asked).toEqual([]);
  });

  it("says what RunPod's refusal says, and never the key", async () => {
    answer = { status: 422, body: { title: 'Invalid', detail: `gpu.pools: unknown pool (for ${KEY})` } };
    const { code, stdout, stderr } = await run(['--image', IMAGE]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('RunPod answered 422: {"title":"Invalid","detail":"gpu.pools: unknown pool (for …)"}');
    expect(stderr).not.toContain(KEY);
  });

  test.each([
    [[], /--image is needed/],
    [['--image', 'ghcr.io/you/worker'], /expected registry\/path:tag/],
    [['--image', 'REGISTRY/millrace-worker:TAG'], /expected registry\/path:tag/],
    [['--image', 'ghcr.io/you/worker:latest'], /expected a tag of its own, found latest/],
    [['--image', IMAGE, '--endpoint', '../ep'], /expected the id of an endpoint/],
    [['--image', IMAGE, '--endpoint', 'ep1', '--name', 'x'], /--endpoint goes with --image alone/],
    [['--image', IMAGE, '--api-url', 'http://api.example.com'], /expected https:\/\//],
    [['--image', IMAGE, '--imgae', 'x'], /Unknown option '--imgae'/],
  ])('refuses %j', async (args, says) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
    expect(asked).toEqual([]);
  });

  it('refuses to go without a key', async () => {
    expect(await run(['--image', IMAGE], {})).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('RUNPOD_API_KEY is not set'),
    });
  });
});
