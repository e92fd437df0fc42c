/** The one suite of S3 behaviour, for every peer alike. */
import { conditionChecks } from './conditions.ts';
import { listingChecks } from './listing.ts';
import { multipartChecks } from './multipart.ts';
import { objectChecks } from './objects.ts';
import { defineSuite, type Peer } from './peer.ts';
import { presignedChecks } from './presigned.ts';
import { refusalChecks } from './refusals.ts';

export function s3Suite(peer: Peer): void {
  defineSuite(peer, [objectChecks, conditionChecks, presignedChecks, listingChecks, multipartChecks, refusalChecks]);
}
