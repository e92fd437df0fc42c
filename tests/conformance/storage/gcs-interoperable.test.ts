/** Google's S3-interoperable API ignores If-None-Match: 200, and the object is overwritten. Claims must not be kept through it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { proveConditionalCreate } from '../../../storage/conditional-create-proof.ts';
import { createS3Store } from '../../../storage/s3-store.ts';
import { type GcsServer, S3_KEYS, startGcsServer } from './gcs-server.ts';

describe('conditional creation on a Google bucket', () => {
  let server: GcsServer;
  /** All of S3 that the proof uses, without the header. */
  const objects = new Map<string, string>();
  const interoperable = createServer(async (request, response) => {
    const key = request.url?.split('?')[0] ?? '';
    const body = await text(request);
    if (request.method === 'PUT') objects.set(key, body);
    if (request.method === 'DELETE') objects.delete(key);
    const found = objects.get(key);
    response.writeHead(request.method === 'GET' && found === undefined ? 404 : 200, { etag: '"1"' });
    response.end(request.method === 'GET' ? found : undefined);
  });

  beforeAll(async () => {
    server = await startGcsServer();
    interoperable.listen(0, '127.0.0.1');
    await once(interoperable, 'listening');
  });
  afterAll(async () => {
    interoperable.close();
    interoperable.closeAllConnections();
    await server?.stop();
  });

  const prove = (store: Parameters<typeof proveConditionalCreate>[0]) =>
    proveConditionalCreate(store, { prefix: 'pipelines-state/', random: () => 'r1' });

  test('is proven through Google’s own API', async () => {
    const store = server.open();
    await prove(store);
    for await (const page of store.list('pipelines-state/')) expect(page).toEqual([]);
    store.close();
  });

  test('is refused through the S3-interoperable one, with what to do', async () => {
    const address = interoperable.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const store = createS3Store({
      ...{ scheme: 'gs', bucket: 'videos', region: 'auto', addressingStyle: 'path', credentials: S3_KEYS },
      endpoint: `http://127.0.0.1:${port}`,
    });
    await expect(prove(store)).rejects.toMatchObject({
      code: 'CONDITIONAL_CREATE_UNSUPPORTED',
      message: expect.stringContaining('gs://videos'),
      fix: expect.stringContaining('gs:// with Google'),
    });
    expect(objects.size).toBe(0);
    store.close();
  });
});
