/** Objects of a job, through the API: a browser has no keys of the bucket. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { isJobKey, JobId } from '../../manifests/job-key.ts';
import type { ObjectHead } from '../../storage/object-store.ts';
import { readRange } from '../byte-range.ts';
import { flag } from '../documents/query.ts';
import { mediaTypeOf } from '../media-types.ts';
import type { ApiParts } from '../parts.ts';
import { RequestError } from '../problem.ts';
import { requireCredentials } from '../require-credentials.ts';
import { defineRoute, type Route } from '../route.ts';
import { FILE_POLICY } from '../security-headers.ts';

const FileParams = z.object({
  job_id: JobId,
  key: z.string().refine(isJobKey, { error: "expected a key inside the job's folder, such as exports/output.mp4" }),
});

const FileQuery = z.object({ download: flag.optional().describe('As an attachment, whatever it is.') });

export function fileRoutes(parts: ApiParts): Route[] {
  const { store, layout } = parts.planner;
  return [
    defineRoute({
      method: 'get',
      path: '/api/jobs/{job_id}/files/{key...}',
      summary: 'An object of the job, whole or a range of it.',
      access: 'operator',
      params: FileParams,
      query: FileQuery,
      answers: {
        200: { description: 'The object.', mediaType: '*/*' },
        206: { description: 'A range of it.', mediaType: '*/*' },
        304: { description: 'It has not changed.' },
      },
      async handle({ params: { job_id: job, key }, query: { download = false }, headers, method, signal }) {
        requireCredentials(parts);
        const wholeKey = layout.jobKey(job, key);
        const head = await store.head(wholeKey, signal);
        if (head === null) throw new RequestError('NOT_FOUND', `${job} has no object ${JSON.stringify(key)}`);
        const answer = answerHeaders(head, key, download);
        if (isKnown(headers.get('if-none-match'), answer.etag)) return new Response(null, { status: 304, headers: answer });
        // A range of another version than the one that the client has begun with would be no part of it.
        const ifRange = headers.get('if-range');
        const range = ifRange === null || ifRange === answer.etag ? readRange(headers.get('range'), head.sizeBytes) : undefined;
        const { start, end } = range ?? { start: 0, end: head.sizeBytes - 1 };
        const sent = {
          ...answer,
          'content-length': String(end - start + 1),
          ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${head.sizeBytes}` }),
        };
        const status = range === undefined ? 200 : 206;
        if (method === 'HEAD' || head.sizeBytes === 0) return new Response(null, { status, headers: sent });
        const found = await store.get(wholeKey, { ifMatch: head.etag, signal, ...(range === undefined ? {} : { range }) });
        if (found === null) throw new RequestError('NOT_FOUND', `${job} has no object ${JSON.stringify(key)}`);
        return new Response(Readable.toWeb(found.body) as ReadableStream<Uint8Array>, { status, headers: sent });
      },
    }),
  ];
}

function answerHeaders({ etag, lastModifiedMs }: ObjectHead, key: string, download: boolean) {
  const { mediaType, isInline } = mediaTypeOf(key);
  const name = encodeURIComponent(key.split('/').at(-1) ?? '').replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  );
  return {
    'content-type': mediaType,
    'content-disposition': `${isInline && !download ? 'inline' : 'attachment'}; filename*=UTF-8''${name}`,
    'content-security-policy': FILE_POLICY,
    'cache-control': 'private, no-cache',
    'accept-ranges': 'bytes',
    'last-modified': new Date(lastModifiedMs).toUTCString(),
    etag: `"${etag.replaceAll(/[^\x21\x23-\x7e]/g, '')}"`,
  };
}

function isKnown(ifNoneMatch: string | null, etag: string): boolean {
  const known = ifNoneMatch?.split(',').map((each) => each.trim().replace(/^W\//, '')) ?? [];
  return known.includes(etag) || known.includes('*');
}
