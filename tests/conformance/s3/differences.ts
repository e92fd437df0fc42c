/**
 * Where a peer does otherwise than the suite asks. The suite asks for what AWS documents (Amazon S3's API reference and user guide),
 * so in every line the peer is the one that departs from it, unless the line says that it documents something of its own. Found with
 * moto 5.2.1 and miniflare 4.20260730.0.
 */
export type PeerName = 'millrace' | 'moto' | 'miniflare';

/** The first argument of `check`. */
export type CheckId = string;

export interface Difference {
  /** `differs`: the check must fail there, so that this table cannot grow old unseen. `skipped`: it can say nothing there. */
  readonly how: 'differs' | 'skipped';
  readonly what: string;
}

const differs = (what: string): Difference => ({ how: 'differs', what });
const skipped = (what: string): Difference => ({ how: 'skipped', what });

const moto: Readonly<Record<CheckId, Difference>> = {
  'response-overrides': differs('ignores response-* parameters'),
  'delete-objects-control': differs('has no route for a key with a line break'),
  'delete-objects-quiet': differs('ignores Quiet'),
  'copy-if-match': differs('ignores the conditions on a copy’s source'),
  'content-md5': differs('does not check Content-MD5'),
  'wrong ChecksumCRC32': differs('stores checksums unchecked'),
  'wrong ChecksumCRC32C': differs('stores checksums unchecked'),
  'wrong ChecksumCRC64NVME': differs('stores checksums unchecked'),
  'wrong ChecksumSHA1': differs('stores checksums unchecked'),
  'wrong ChecksumSHA256': differs('stores checksums unchecked'),
  'metadata-too-large': differs('has no limit on metadata'),
  'key-too-long': differs('has no limit at 1024 bytes'),
  'etag-before-date': differs('lets If-Unmodified-Since decide although If-Match holds'),
  'presigned-expired': differs('checks no expiry'),
  'presigned-put-expired': differs('checks no expiry'),
  'presigned-tampered': differs('checks no signature'),
  'presigned-metadata': differs('checks no signature'),
  'presigned-unsigned-header': differs('checks no signature'),
  'presigned-default-checksum': differs('ignores checksums in a query'),
  unsigned: differs('answers 403, but without an S3 error'),
  'wrong-secret': differs('checks no signature'),
  'wrong-access-key': differs('checks no access key'),
  'clock-skew': differs('checks no time'),
  'payload-hash': differs('checks no payload hash'),
  'list-bad-token': differs('fails with an HTML page'),
  'list-v1': differs('repeats a common prefix that a page ended with'),
  'multipart-abort': differs('answers an HTML page for an upload that is gone'),
  'multipart-order': differs('puts the parts in order itself'),
  'multipart-composite-checksum': differs('makes no checksum of the parts’ checksums'),
  'not-implemented': skipped('has tags, ACLs and SSE-C'),
  'bad-bucket-name': differs('takes underscores and capitals in a bucket’s name'),
};

const miniflare: Readonly<Record<CheckId, Difference>> = {
  'response-overrides': differs('ignores response-* parameters'),
  'delete-objects-control': differs('has no route for a key with a line break'),
  'delete-objects-quiet': differs('ignores Quiet'),
  'copy-itself': differs('lets an object be copied onto itself'),
  'wrong ChecksumCRC32': differs('ignores checksums, as R2 did for years'),
  'wrong ChecksumCRC32C': differs('ignores checksums, as R2 did for years'),
  'wrong ChecksumCRC64NVME': differs('ignores checksums, as R2 did for years'),
  'wrong ChecksumSHA1': differs('ignores checksums'),
  'wrong ChecksumSHA256': differs('ignores checksums'),
  'default-checksums': differs('keeps no checksums'),
  'default-checksums-stream': differs('fails on aws-chunked bodies without a Content-Length'),
  'metadata-too-large': differs('answers 500 without XML'),
  'key-too-long': differs('answers 500 without XML'),
  'put-if-match-missing': differs('answers 412 where AWS documents 404'),
  'modified-since': differs('compares HTTP dates with fractions of a second, so that Last-Modified is always too early'),
  'presigned-expired': differs('answers 403 ExpiredRequest, which is R2’s own code'),
  'presigned-unsigned-header': differs('takes headers that nobody signed'),
  'presigned-default-checksum': differs('ignores checksums'),
  unsigned: differs('answers 400 InvalidArgument, as R2 documents'),
  'wrong-access-key': differs('answers 401 Unauthorized, as R2 documents'),
  'list-encoding': differs('encodes / as %2F too'),
  'list-zero': differs('says that a page of nothing is truncated'),
  'list-bad-token': differs('starts from the beginning'),
  'list-v1': differs('repeats a common prefix that a page ended with'),
  'multipart-list': differs('has no ListParts'),
  'multipart-create-only': differs('ignores If-None-Match when an upload is completed'),
  'multipart-order': differs('answers NoSuchUpload'),
  'multipart-composite-checksum': differs('keeps no checksums'),
  'not-implemented': differs('takes x-amz-acl and does not obey it'),
  buckets: skipped('buckets are made by its configuration'),
  'bucket-location': differs('its region is called auto, as R2’s is'),
  'bad-bucket-name': skipped('buckets are made by its configuration'),
};

export const DIFFERENCES: Readonly<Record<PeerName, Readonly<Record<CheckId, Difference>>>> = { millrace: {}, moto, miniflare };
