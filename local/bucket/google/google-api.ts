/**
 * Google Cloud Storage's API over the same objects as the bucket's S3 API, for laptops and tests, at the same address: a request with
 * a bearer token or a V4 signed URL is Google's.
 *
 * Of the JSON API it has objects.get (also `alt=media`), list, delete and insert (media, multipart, resumable); of the XML API GET,
 * HEAD and PUT of objects; of notificationConfigs list, which shows what the S3 API has configured. There is one account, which may do everything. Other differences from the real one:
 * - Tokens are those that the account's key signs itself. There is no token service, and no signing through IAM.
 * - Objects have one version: no soft deletion, no metageneration but 1, no editing of metadata, no composing, no customer keys.
 * - Objects that came through the S3 API have no CRC32C; those that came in parts have no MD5 either, as composite ones.
 * - Resumable uploads end with the process; their chunks may have any length; multipart uploads hold 64 MiB.
 * - Keys are at most 1000 bytes long.
 * - No limit of one write a second per key, and nothing is ever unpacked on the way.
 */
import type { Logger } from '../../../log.ts';
import { MAX_BODY_BYTES, withIncomingFile } from '../object-operations.ts';
import type { Origin } from '../objects.ts';
import type { BucketState } from '../operation.ts';
import { decodeSegment, type HeaderLists, type S3Request } from '../request.ts';
import { quoted, type S3Response } from '../response.ts';
import { answer, checkGeneration, existing, type GoogleCall, wantedGeneration } from './call.ts';
import type { Described } from './described.ts';
import { GoogleError, refusal } from './google-error.ts';
import { insertMedia, insertMultipart, store } from './insert-object.ts';
import { listNotifications } from './list-notifications.ts';
import { listObjects } from './list-objects.ts';
import { objectHeaders, objectResource, xmlEtag } from './object-resource.ts';
import { readObject } from './read-object.ts';
import { Arrived, receive } from './receive.ts';
import { continueUpload, openUpload } from './resumable.ts';
import { checkToken, openServiceAccount, type ServiceAccount } from './service-account.ts';
import { checkSignedUrl } from './signed-url.ts';
import { UploadSessions } from './upload-sessions.ts';

export interface GoogleApiOptions {
  readonly serviceAccountFile: string;
  /** The topic that stands for a queue; without it there are no notification configurations to see. */
  readonly topicOf: ((queueArn: string) => string) | undefined;
}

export class GoogleApi {
  readonly #state: BucketState;
  readonly #topicOf: GoogleApiOptions['topicOf'];
  readonly #account: ServiceAccount;
  readonly #sessions: UploadSessions;

  /** Throws CONFIG_INVALID where the key file is none. */
  constructor(state: BucketState, { serviceAccountFile, topicOf }: GoogleApiOptions) {
    this.#state = state;
    this.#topicOf = topicOf;
    this.#account = openServiceAccount(serviceAccountFile);
    this.#sessions = new UploadSessions(state.files);
  }

  /** A refusal is an answer too; only defects are thrown. */
  async answer(request: S3Request, lists: HeaderLists, origin: Origin, log: Logger): Promise<S3Response> {
    const [, json, rawBucket = '', rawKey] =
      /^\/(storage|upload\/storage)\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/.exec(request.rawPath) ?? [];
    try {
      this.#authorise(request, lists);
      const notified = NOTIFICATIONS.exec(request.rawPath)?.[1];
      if (notified !== undefined && this.#topicOf !== undefined) {
        if (request.method !== 'GET') throw new GoogleError('MethodNotAllowed');
        return listNotifications(this.#call(request, origin, log, decodeSegment(notified)), this.#topicOf);
      }
      if (json === undefined) return await xml(this.#call(request, origin, log, request.bucket ?? ''), request.key ?? '');
      const call = this.#call(request, origin, log, decodeSegment(rawBucket));
      if (json !== 'storage') return await upload(call);
      return rawKey === undefined ? list(call) : object(call, decodeSegment(rawKey));
    } catch (thrown) {
      const refused = refusal(thrown, json === undefined ? 'xml' : 'json', request.rawPath, origin.requestId);
      if (refused === undefined) throw thrown;
      log.debug({ status: refused.status, error: String(thrown) }, 'the local Google API refused a request');
      return refused;
    }
  }

  #authorise(request: S3Request, lists: HeaderLists): void {
    const now = this.#state.now();
    const token = bearerToken(lists);
    // The address of an upload is secret, and all that its chunks need.
    if (this.#sessions.find(uploadId(request) ?? '') !== undefined) return;
    if (token !== undefined) {
      checkToken(token, this.#account, now);
    } else {
      const { method, rawPath, query } = request;
      checkSignedUrl({ method, rawPath, query, headers: lists }, this.#account, now);
    }
  }

  #call(request: S3Request, origin: Origin, log: Logger, bucket: string): GoogleCall {
    return { state: this.#state, sessions: this.#sessions, request, origin, log, bucket };
  }
}

const NOTIFICATIONS = /^\/storage\/v1\/b\/([^/]+)\/notificationConfigs$/;

/** Whose API a request means is told by how it signs in. */
export function isGoogleRequest(request: Pick<S3Request, 'query' | 'rawPath'>, lists: HeaderLists): boolean {
  const isSigned = request.query.some(([name]) => name === 'X-Goog-Algorithm');
  return isSigned || bearerToken(lists) !== undefined || uploadId(request) !== undefined;
}

function uploadId({ query, rawPath }: Pick<S3Request, 'query' | 'rawPath'>): string | undefined {
  return rawPath.startsWith('/upload/storage/v1/b/') ? query.find(([name]) => name === 'upload_id')?.[1] : undefined;
}

function bearerToken(lists: HeaderLists): string | undefined {
  return /^Bearer (\S+)$/i.exec(lists.get('authorization')?.[0] ?? '')?.[1];
}

function list(call: GoogleCall): S3Response {
  if (call.request.method !== 'GET') throw new GoogleError('MethodNotAllowed');
  return listObjects(call);
}

function object(call: GoogleCall, key: string): S3Response {
  const { request, state, bucket, origin } = call;
  if (request.method === 'GET') {
    if (request.parameters.get('alt') === 'media') return readObject(call, key);
    const found = existing(call, key);
    checkGeneration(wantedGeneration(call), found);
    return answer(call, objectResource(bucket, found));
  }
  if (request.method !== 'DELETE') throw new GoogleError('NotImplemented', `${request.method} of an object`);
  checkGeneration(wantedGeneration(call), existing(call, key));
  state.objects.remove(bucket, key, new Map(), origin);
  return { status: 204, headers: {} };
}

async function upload(call: GoogleCall): Promise<S3Response> {
  const { parameters, method } = call.request;
  const id = uploadId(call.request);
  if (id !== undefined && (method === 'PUT' || method === 'DELETE')) return continueUpload(call, id);
  if (method !== 'POST') throw new GoogleError('MethodNotAllowed');
  call.state.objects.assertBucket(call.bucket);
  switch (parameters.get('uploadType')) {
    case 'media':
      return insertMedia(call);
    case 'multipart':
      return insertMultipart(call);
    case 'resumable':
      return openUpload(call);
    default:
      throw new GoogleError('InvalidArgument', 'Invalid value for uploadType');
  }
}

async function xml(call: GoogleCall, key: string): Promise<S3Response> {
  const { method } = call.request;
  if (key === '') throw new GoogleError('NotImplemented', `${method} of a bucket`);
  if (method === 'GET' || method === 'HEAD') return readObject(call, key);
  if (method !== 'PUT') throw new GoogleError('NotImplemented', `${method} of an object`);
  call.state.objects.assertBucket(call.bucket);
  const described = describedByHeaders(call, key);
  const written = await withIncomingFile(call.state.files, async (path, handle) => {
    const arrived = new Arrived();
    await receive(call.request, arrived, handle, MAX_BODY_BYTES);
    return store(call, described, { path }, arrived);
  });
  const { 'x-goog-hash': hash = '' } = objectHeaders(written);
  const headers = { etag: quoted(xmlEtag(written)), 'x-goog-generation': String(written.generation), 'x-goog-hash': hash };
  return { status: 200, headers: { ...headers, 'content-length': '0' } };
}

const KEPT = ['content-type', 'cache-control', 'content-disposition', 'content-encoding', 'content-language'];
const METADATA = 'x-goog-meta-';

function describedByHeaders(call: GoogleCall, key: string): Described {
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
  const metadata: Record<string, string> = {};
  for (const [name, value] of call.request.headers) {
    if (KEPT.includes(name)) headers[name] = value;
    if (name.startsWith(METADATA)) metadata[name.slice(METADATA.length)] = value;
  }
  const md5Hash = call.request.headers.get('content-md5');
  return { key, headers, metadata, md5Hash, crc32c: undefined, ifGenerationMatch: wantedGeneration(call) };
}
