/**
 * The embedded bucket: S3's API over plain files in a folder, for laptops and tests. Loopback only, one pair of keys.
 *
 * What it has is listed in operations.ts; all else is answered with 501. Durable against the death of the process at any instant,
 * not against a power cut: files are not flushed to the disk.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { MillraceError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { assertBucketName } from './bucket-operations.ts';
import { BucketDatabase } from './database.ts';
import { ObjectFiles } from './files.ts';
import { GoogleApi, isGoogleRequest } from './google/google-api.ts';
import { STATE_FOLDER } from './key-path.ts';
import type { QueueNotification } from './notifications.ts';
import { Objects } from './objects.ts';
import type { BucketState } from './operation.ts';
import { chooseOperation } from './operations.ts';
import { type Deliver, Outbox } from './outbox.ts';
import { headerLists, parseTarget, type S3Request } from './request.ts';
import { errorResponse, type S3Response, send } from './response.ts';
import { S3Error } from './s3-error.ts';
import { type Authentication, authenticate, type Credentials } from './signature.ts';
import { Uploads } from './uploads.ts';

export interface BucketOptions extends Credentials {
  /** Made where it is not there. One process at a time may have it. */
  readonly dataDir: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly region: string;
  /** Made at the start where they are not there. */
  readonly buckets?: readonly string[];
  /** Where notifications go. Without it no bucket takes a notification configuration. */
  readonly deliver?: Deliver;
  /**
   * Where the key of the account lies that Google's API takes; made where it is not there. GOOGLE_APPLICATION_CREDENTIALS takes this
   * path. Without it the bucket speaks S3 alone.
   */
  readonly serviceAccountFile?: string;
  /** What Google's API calls the destination of a notification that the S3 API has configured: `projects/<project>/topics/<name>`. */
  readonly topicOf?: (queueArn: string) => string;
  readonly log: Logger;
  readonly now?: () => number;
}

export interface Bucket {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  readonly port: number;
  /** The bucket's notification configuration. Throws S3Error where there is no such bucket. */
  notifications(bucket: string): readonly QueueNotification[];
  /** Resolves when every notification has been delivered. */
  idle(): Promise<void>;
  /** Lets requests under way end, for a while; undelivered notifications stay on disk for the next start. */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
/** Five gigabytes at 1.4 MB/s. */
const LONGEST_REQUEST_MS = 3600_000;
/** Longer than clients keep idle connections, so that it is never us who closes one that is about to be used. */
const KEEP_ALIVE_MS = 65_000;
const CLOSE_GRACE_MS = 5_000;
/** How much of a refused body is read, so that its sender gets to read the refusal. */
const MAX_DRAINED_BYTES = 64 * 1024 ** 2;

/** Throws CONFIG_INVALID where the folder is in use, cannot be opened, or a bucket's name is none. */
export async function startBucket(options: BucketOptions): Promise<Bucket> {
  const { dataDir, port, region, buckets = [], deliver, log, now = Date.now } = options;
  mkdirSync(join(dataDir, STATE_FOLDER), { recursive: true });
  const database = new BucketDatabase(join(dataDir, STATE_FOLDER, 'bucket.sqlite'));
  const outbox = new Outbox({ database, deliver, log, now });
  const server = createServer({ requestTimeout: LONGEST_REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS });
  let notifications: Bucket['notifications'];
  try {
    const files = new ObjectFiles(dataDir, database);
    files.recover();
    const objects = new Objects({ database, files, outbox, region, now });
    for (const bucket of buckets) createNamed(objects, bucket);
    const state: BucketState = { database, files, objects, uploads: new Uploads(database, files), outbox, region, now };
    notifications = (bucket) => objects.notifications(bucket);
    const { serviceAccountFile, topicOf } = options;
    const google = serviceAccountFile === undefined ? undefined : new GoogleApi(state, { serviceAccountFile, topicOf });
    const serve = (message: IncomingMessage, to: ServerResponse, waitsForContinue: boolean): void => {
      const done = handle(message, to, { state, google, credentials: options, log, waitsForContinue });
      done.catch((error: unknown) => log.debug({ error }, 'a client of the local bucket went away'));
    };
    server.on('request', (message, to) => serve(message, to, false));
    server.on('checkContinue', (message, to) => serve(message, to, true));
    await listen(server, port);
  } catch (error) {
    database.close();
    throw error;
  }
  outbox.wake();
  const address = server.address();
  const actualPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    endpoint: `http://${HOST}:${actualPort}`,
    port: actualPort,
    notifications,
    idle: () => outbox.idle(),
    close: async () => {
      await stop(server);
      await outbox.close();
      database.close();
    },
  };
}

function createNamed(objects: Objects, bucket: string): void {
  try {
    assertBucketName(bucket);
  } catch (error) {
    throw new MillraceError('CONFIG_INVALID', 'A bucket of that name cannot be made.', { cause: error, context: { bucket } });
  }
  objects.createBucket(bucket);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
}

interface HandleOptions {
  readonly state: BucketState;
  readonly google: GoogleApi | undefined;
  readonly credentials: Credentials;
  readonly log: Logger;
  readonly waitsForContinue: boolean;
}

async function handle(message: IncomingMessage, to: ServerResponse, options: HandleOptions): Promise<void> {
  const requestId = randomUUID().replaceAll('-', '').slice(0, 16).toUpperCase();
  const log = options.log.child({ requestId });
  let response: S3Response;
  try {
    response = await answer(message, to, { ...options, log, requestId });
  } catch (thrown) {
    if (message.destroyed && !message.complete) throw thrown;
    if (!(thrown instanceof S3Error))
      log.error({ error: thrown, method: message.method }, 'the local bucket failed to answer a request');
    const error = thrown instanceof S3Error ? thrown : new S3Error('InternalError', undefined);
    response = errorResponse(error, message.url?.split('?')[0] ?? '/', requestId);
  }
  if (!message.complete) {
    response = { ...response, headers: { ...response.headers, connection: 'close' } };
    drain(message);
  }
  await send(response, to, { requestId, withBody: message.method !== 'HEAD' });
}

function drain(message: IncomingMessage): void {
  let bytes = 0;
  message.on('error', () => undefined);
  message.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_DRAINED_BYTES) message.destroy();
  });
}

async function answer(
  message: IncomingMessage,
  to: ServerResponse,
  options: HandleOptions & { requestId: string },
): Promise<S3Response> {
  const { state, google, credentials, log, waitsForContinue, requestId } = options;
  const lists = headerLists(message.rawHeaders);
  const method = message.method ?? '';
  const target = parseTarget(message.url ?? '', lists.get('host')?.[0]);
  const sourceIpAddress = message.socket.remoteAddress ?? HOST;
  const origin = { requestId, sourceIpAddress };
  let continued = !waitsForContinue;
  const wantBody = () => {
    if (!continued) to.writeContinue();
    continued = true;
  };
  const received = { ...target, method, sourceIpAddress, message, wantBody };
  if (google !== undefined && isGoogleRequest(target, lists)) {
    return google.answer({ ...received, headers: joined(lists), parameters: new Map(target.query) }, lists, origin, log);
  }
  const authentication = authenticate(
    { method, rawPath: target.rawPath, query: target.query, headers: lists },
    credentials,
    state.now(),
  );
  const request: S3Request = { ...received, ...readParameters(target.query, lists, authentication) };
  const operation = chooseOperation(request);
  const { bucket = '', key = '' } = target;
  const response = await operation.handle({ state, request, authentication, origin, log, bucket, key });
  log.debug({ operation: operation.name, bucket, key, status: response.status }, 'request');
  return response;
}

const SIGNATURE_PARAMETERS = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-content-sha256',
]);

function joined(lists: ReadonlyMap<string, readonly string[]>): Map<string, string> {
  return new Map([...lists].map(([name, values]) => [name, values.join(', ').trim()]));
}

/** In a presigned URL what would be an `x-amz-` header may stand in the query: SDKs move it there. */
function readParameters(
  query: S3Request['query'],
  lists: ReadonlyMap<string, readonly string[]>,
  { presigned }: Authentication,
): Pick<S3Request, 'headers' | 'parameters'> {
  const headers = joined(lists);
  const parameters = new Map<string, string>();
  for (const [name, value] of query) {
    const lower = name.toLowerCase();
    const isHeader = presigned && lower.startsWith('x-amz-');
    if (isHeader && SIGNATURE_PARAMETERS.has(lower)) continue;
    const into = isHeader ? headers : parameters;
    const as = isHeader ? lower : name;
    if ((into.get(as) ?? value) !== value) {
      throw new S3Error('InvalidArgument', 'The request says two things at once.', { ArgumentName: name });
    }
    into.set(as, value);
  }
  return { headers, parameters };
}
