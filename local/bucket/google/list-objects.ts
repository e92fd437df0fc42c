/** The JSON API's objects.list. */
import { z } from 'zod';
import { type ListPosition, listPage } from '../listing.ts';
import type { S3Response } from '../response.ts';
import { answer, type GoogleCall } from './call.ts';
import { GoogleError } from './google-error.ts';
import { objectResource } from './object-resource.ts';

const MAX_RESULTS = 1000;
const PageToken = z.object({ after: z.string(), skipBelow: z.boolean() });

export function listObjects(call: GoogleCall): S3Response {
  const { state, request, bucket } = call;
  state.objects.assertBucket(bucket);
  const { parameters } = request;
  const prefix = parameters.get('prefix') ?? '';
  const startOffset = parameters.get('startOffset') ?? '';
  const token = parameters.get('pageToken');
  const wanted = Number(parameters.get('maxResults') ?? MAX_RESULTS);
  if (!Number.isInteger(wanted) || wanted < 1) throw new GoogleError('InvalidArgument', 'Invalid value for maxResults');
  const maxKeys = Math.min(wanted, MAX_RESULTS);
  const position = token === undefined ? { after: startOffset, skipBelow: false } : positionOf(token);
  // The page begins behind `after`; startOffset itself belongs to the first one.
  const first = token === undefined && startOffset.startsWith(prefix) ? state.objects.find(bucket, startOffset) : undefined;
  const page = listPage(state.database, {
    bucket,
    prefix,
    delimiter: parameters.get('delimiter') ?? '',
    ...position,
    maxKeys: first === undefined ? maxKeys : Math.max(1, maxKeys - 1),
  });
  const objects = first === undefined ? page.objects : [first, ...page.objects];
  return answer(call, {
    kind: 'storage#objects',
    ...(page.next === undefined ? {} : { nextPageToken: tokenOf(page.next) }),
    ...(page.commonPrefixes.length === 0 ? {} : { prefixes: page.commonPrefixes }),
    ...(objects.length === 0 ? {} : { items: objects.map((object) => objectResource(bucket, object)) }),
  });
}

const tokenOf = (position: ListPosition): string => Buffer.from(JSON.stringify(position)).toString('base64url');

function positionOf(token: string): ListPosition {
  try {
    return PageToken.parse(JSON.parse(Buffer.from(token, 'base64url').toString('utf8')));
  } catch {
    throw new GoogleError('InvalidArgument', 'Invalid value for pageToken');
  }
}
