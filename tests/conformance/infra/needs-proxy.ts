/** Stands between a consumer and AWS's stand-in, and writes down which permission each request would need on AWS. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { Need } from './iam-policy.ts';

export interface NeedsProxy {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  readonly needs: readonly Need[];
  close(): Promise<void>;
}

const SQS_TARGET = 'AmazonSQS.';
const QueueRequest = z.object({ QueueUrl: z.url() });

/** `region` is the queues'. A request that is not known here is refused, so that it fails a test instead of going unseen. */
export async function startNeedsProxy(target: string, region: string): Promise<NeedsProxy> {
  const needs: Need[] = [];

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const answer = await forward(target, request, body);
    const needed = needsOf(request, body, answer.statusCode ?? 0, region);
    needs.push(...needed);
    response.writeHead(answer.statusCode ?? 502, answer.headers).end(await buffer(answer));
  }

  const server = createServer((request, response) => {
    pass(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(400, { 'content-type': 'text/plain' }).end(String(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    needs,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function forward(target: string, request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
  const { method, headers, url = '/' } = request;
  const outgoing = send(new URL(target).origin + url, { method, headers });
  outgoing.end(body);
  const [answer] = await once(outgoing, 'response');
  return answer;
}

function needsOf({ method, url = '/', headers }: IncomingMessage, body: Buffer, status: number, region: string): Need[] {
  const amzTarget = headers['x-amz-target'];
  if (typeof amzTarget === 'string' && amzTarget.startsWith(SQS_TARGET)) {
    const { QueueUrl } = QueueRequest.parse(JSON.parse(body.toString()));
    const [account, queue] = new URL(QueueUrl).pathname.split('/').slice(1);
    // A batch is allowed by its single form.
    const action = amzTarget.slice(SQS_TARGET.length).replace(/Batch$/, '');
    return [{ action: `sqs:${action}`, resource: `arn:aws:sqs:${region}:${account}:${queue}` }];
  }
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const [bucket = '', ...path] = pathname.slice(1).split('/').map(decodeURIComponent);
  const key = path.join('/');
  const list: Need = { action: 's3:ListBucket', resource: `arn:aws:s3:::${bucket}` };
  if (key === '' && method === 'GET' && searchParams.has('list-type')) return [list];
  if (key === '' && method === 'GET' && searchParams.has('notification')) {
    return [{ action: 's3:GetBucketNotification', resource: `arn:aws:s3:::${bucket}` }];
  }
  // The clock is asked of anybody, and needs no right.
  if (url === '/' && method === 'HEAD') return [];
  const action = OBJECT_ACTIONS[method ?? ''];
  if (key === '' || action === undefined) throw new Error(`not known: ${method} ${pathname}`);
  // S3 says "not there" only to those who may list; to others it says "forbidden".
  const absent = action === 's3:GetObject' && status === 404 ? [list] : [];
  return [{ action, resource: `arn:aws:s3:::${bucket}/${key}` }, ...absent];
}

const OBJECT_ACTIONS: Readonly<Record<string, string>> = {
  GET: 's3:GetObject',
  HEAD: 's3:GetObject',
  PUT: 's3:PutObject',
  DELETE: 's3:DeleteObject',
};
