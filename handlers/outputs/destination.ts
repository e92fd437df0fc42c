/** Where an output goes. Settled before any work is done: a destination that cannot be written makes all of it worthless. */
import { MillraceError } from '../../errors.ts';
import type { RunContext } from '../../manifests/run-context.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { parseObjectUri, withoutQuery } from '../../storage/uri.ts';
import type { StoreFor } from '../inputs/resolve-source.ts';

export interface PutDestination {
  readonly kind: 'put';
  /** Presigned: never print it. */
  readonly url: string;
  /** What the signature covers, the writer's mark among it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly reportedUri: string;
}

export interface ObjectDestination {
  readonly kind: 'object';
  readonly store: ObjectStore;
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly reportedUri: string;
}

export type Destination = PutDestination | ObjectDestination;

export interface DestinationParameters {
  readonly output_put_url?: string | undefined;
  readonly output_video_uri?: string | undefined;
  readonly dest_uri?: string | undefined;
  readonly millrace?: RunContext | undefined;
}

/** Where both a URI and a presigned URL are given, the URL is written to and the URI is reported. Throws DESTINATION_REFUSED, URI_INVALID. */
export function destinationOf(parameters: DestinationParameters, storeFor: StoreFor | undefined): Destination {
  const { output_put_url: url, millrace } = parameters;
  const uri = parameters.output_video_uri ?? parameters.dest_uri;
  if (url !== undefined) {
    const reportedUri = millrace?.output_uri ?? uri ?? url;
    return { kind: 'put', url, headers: millrace?.output_put_headers ?? {}, reportedUri: withoutQuery(reportedUri) };
  }
  if (uri === undefined) throw new MillraceError('PARAMETERS_INVALID', 'expected output_put_url, or a destination URI');
  const { scheme, bucket, key } = parseObjectUri(uri);
  const store = storeFor?.(scheme, bucket);
  if (store === undefined) {
    throw new MillraceError('DESTINATION_REFUSED', `The worker has no credentials to write ${scheme}://${bucket}/${key}.`, {
      fix: 'Give the worker credentials (HMAC_KEY and HMAC_SECRET), or send a presigned output_put_url.',
    });
  }
  const metadata = millrace === undefined ? {} : { fingerprint: millrace.fingerprint };
  return { kind: 'object', store, key, metadata, reportedUri: withoutQuery(millrace?.output_uri ?? uri) };
}
