/** `uploadType=resumable`: a session, chunks that may be lost and sent again, and what came of it. */
import { open } from 'node:fs/promises';
import { MAX_BODY_BYTES } from '../object-operations.ts';
import type { S3Response } from '../response.ts';
import { answer, type GoogleCall } from './call.ts';
import { GoogleError } from './google-error.ts';
import { describe, store } from './insert-object.ts';
import { objectResource } from './object-resource.ts';
import { receive, receiveHeld } from './receive.ts';
import type { UploadSession } from './upload-sessions.ts';

const MAX_RESOURCE_BYTES = 64 * 1024;

export async function openUpload(call: GoogleCall): Promise<S3Response> {
  const { request, sessions, bucket } = call;
  call.state.objects.assertBucket(bucket);
  const resource = (await receiveHeld(request, MAX_RESOURCE_BYTES)).toString('utf8');
  const described = describe(call, resource, request.headers.get('x-upload-content-type'));
  const { id } = sessions.open(bucket, described);
  const query = new URLSearchParams({ uploadType: 'resumable', upload_id: id });
  const fields = request.parameters.get('fields');
  if (fields !== undefined) query.set('fields', fields);
  const location = `http://${request.headers.get('host')}${request.rawPath}?${query}`;
  return { status: 200, headers: { location, 'content-length': '0' } };
}

export async function continueUpload(call: GoogleCall, id: string): Promise<S3Response> {
  const { request, sessions } = call;
  const session = sessions.find(id);
  if (session === undefined || session.bucket !== call.bucket) throw new GoogleError('NotFound');
  if (request.method === 'DELETE') {
    sessions.end(id);
    return { status: 499, headers: { 'content-length': '0' } };
  }
  const turn = session.turn.then(() => takeChunk(call, session));
  // The next request waits for this one's end, whatever it is: a connection that died may not have been noticed yet.
  session.turn = turn.catch(() => undefined);
  return turn;
}

interface ContentRange {
  /** `undefined` where the client only asks how far it got. */
  readonly start: number | undefined;
  /** `undefined` where the client does not know it yet. */
  readonly totalBytes: number | undefined;
  /** True where the body's end is the object's. */
  readonly endsHere: boolean;
}

function contentRange(header: string | undefined): ContentRange {
  if (header === undefined) return { start: 0, totalBytes: undefined, endsHere: true };
  const [, start, last, total] = /^bytes (?:(\d{1,15})-(\d{1,15}|\*)|\*)\/(\d{1,15}|\*)$/.exec(header) ?? [];
  if (total === undefined) throw new GoogleError('InvalidArgument', 'Invalid Content-Range');
  return {
    start: start === undefined ? undefined : Number(start),
    totalBytes: total === '*' ? undefined : Number(total),
    endsHere: last === '*',
  };
}

async function takeChunk(call: GoogleCall, session: UploadSession): Promise<S3Response> {
  if (session.object !== undefined) return answer(call, objectResource(session.bucket, session.object));
  const { arrived, path } = session;
  const { start, totalBytes, endsHere } = contentRange(call.request.headers.get('content-range'));
  // A chunk that begins elsewhere is not wanted: the answer says from where to go on.
  if (start !== undefined && start !== arrived.sizeBytes) return incomplete(session);
  const handle = await open(call.state.files.absolute(path), 'a');
  try {
    if (start !== undefined) await receive(call.request, arrived, handle, MAX_BODY_BYTES - arrived.sizeBytes);
  } finally {
    await handle.close();
  }
  const isComplete = totalBytes === undefined ? endsHere : arrived.sizeBytes >= totalBytes;
  if (!isComplete) return incomplete(session);
  if (totalBytes !== undefined && arrived.sizeBytes > totalBytes)
    throw new GoogleError('InvalidArgument', 'More bytes than announced.');
  try {
    session.object = store(call, session.described, { path }, arrived);
  } catch (thrown) {
    call.sessions.end(session.id);
    throw thrown;
  }
  return answer(call, objectResource(session.bucket, session.object));
}

function incomplete({ arrived }: UploadSession): S3Response {
  const range = arrived.sizeBytes === 0 ? {} : { range: `bytes=0-${arrived.sizeBytes - 1}` };
  return { status: 308, headers: { 'content-length': '0', ...range } };
}
