/** miniflare's local R2 behind its S3-compatible API: the nearest thing to R2 itself on one machine. Checks signatures. */
import { readFile } from 'node:fs/promises';
import { Miniflare } from 'miniflare';
import { recordPeer } from './peers.ts';

export interface MiniflareR2 {
  /** Path-style; has a path of its own in front of the bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  stop(): Promise<void>;
}

/** Buckets cannot be made through the API: this one is there from the start, in memory. */
export async function startMiniflareR2(bucket: string): Promise<MiniflareR2> {
  const credentials = { accessKeyId: 'miniflare-access', secretAccessKey: 'miniflare-secret' };
  const miniflare = new Miniflare({
    host: '127.0.0.1',
    port: 0,
    modules: true,
    script: 'export default { fetch() { return new Response(null, { status: 404 }); } }',
    r2Buckets: { BUCKET: { id: bucket, s3Credentials: credentials } },
  });
  const url = await miniflare.ready;
  recordPeer('miniflare', await installedVersion());
  return { endpoint: new URL('/cdn-cgi/local/r2/s3', url).href, bucket, credentials, stop: () => miniflare.dispose() };
}

async function installedVersion(): Promise<string> {
  const description: unknown = JSON.parse(
    await readFile(new URL('../../node_modules/miniflare/package.json', import.meta.url), 'utf8'),
  );
  const version = typeof description === 'object' && description !== null && 'version' in description ? description.version : '?';
  return String(version);
}
