/**
 * Payloads from public documentation and recordings of the real services. They are not part of the repository: where
 * TEST_EVENT_SAMPLES names a folder of them, every one is decoded as it should be.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parsePastedText } from '../../../../consumers/notifications/pasted-text.ts';

const folder = process.env.TEST_EVENT_SAMPLES ?? '';
const names = folder !== '' && existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];

/** `source kind key` of every record, or how the message ends. */
function decoded(name: string): string[] {
  return parsePastedText(readFileSync(join(folder, name), 'utf8')).flatMap(({ parsed }) =>
    parsed.kind === 'events'
      ? parsed.events.map(({ source, kind, key }) => (kind === 'other' ? `${source} other` : `${source} ${kind} ${key}`))
      : [parsed.kind === 'ignored' ? 'ignored' : parsed.error.code],
  );
}

const EXPECTED: readonly (readonly [name: string, ...records: string[]])[] = [
  ['ceph-rgw-put.json', 'ceph created myimage1.jpg'],
  ['cfq-peek-response.json', 'MESSAGE_NOT_JSON'],
  ['cfq-pull-response-docs.json', 'MESSAGE_NOT_JSON'],
  ['cfq-pull-response-r2-base64-derived.json', 'r2 created videos/in/my clip+1 é.mp4'],
  ['cfq-pull-response-r2-plainjson-derived.json', 'r2 created videos/in/my clip+1 é.mp4'],
  ['eventbridge-acl-updated.json', 's3 other'],
  ['eventbridge-object-created-versioned-docs.json', 's3 created example-key'],
  ['eventbridge-object-created.json', 's3 created IMG_m7fzo3.jpg'],
  ['eventbridge-object-deleted-marker.json', 's3 removed IMG_m7fzo3.jpg'],
  ['eventbridge-object-deleted-permanent.json', 's3 removed <key-name:1>'],
  ['eventbridge-object-expired-lifecycle.json', 's3 removed IMG_m7fzo3.jpg'],
  ['eventbridge-restore-completed.json', 's3 other'],
  ['eventbridge-restore-initiated.json', 's3 other'],
  ['gcs-attributes-finalize-overwrote.json', 'gcs created AW1_genotyping_sample_manifests/RDR_AoU_GEN_PKG-1908-218054.csv'],
  [
    'gcs-attributes-leading-space-key.json',
    'gcs created Wgs_sample_raw_data/ SS_VCF_research/BCM_A100153482_21042005280_SIA0013441__1.hard-filtered.gvcf.gz.md5sum',
  ],
  ['gcs-cloudevent-structured-finalized.json', 'gcs created MyFile'],
  ['gcs-pubsub-deadlettered-derived.json', 'gcs created test_full_1.csv'],
  ['gcs-pubsub-delete-overwritten-derived.json', 'gcs other'],
  ['gcs-pubsub-finalize-object-decoded.json', 'gcs created test_full_1.csv'],
  ['gcs-pubsub-payload-none-derived.json', 'gcs created test_full_1.csv'],
  ['gcs-pubsub-push-finalize-overwrote-attempt37.json', 'gcs created test_full_1.csv'],
  ['gcs-storageobjectdata-complex.json', 'gcs removed MyFile'],
  ['gcs-storageobjectdata-simple.json', 'gcs created folder/Test.cs'],
  ['pubsub-push-envelope-duplicated-fields.json', 'MESSAGE_NOT_JSON'],
  ['pubsub-push-envelope-text.json', 'MESSAGE_NOT_JSON'],
  ['r2-completemultipart-derived.json', 'r2 created videos/in/big.mov'],
  ['r2-copyobject.json', 'r2 created my-new-object'],
  ['r2-deleteobject-derived.json', 'r2 removed videos/in/old.mp4'],
  ['r2-lifecycledeletion-derived.json', 'r2 removed tmp/expired.bin'],
  ['r2-putobject-derived.json', 'r2 created videos/in/my clip+1 é.mp4'],
  ['r2-putobject-thirdparty.json', 'r2 created test.txt'],
  ['s3-complete-multipart.json', 's3 created test-key'],
  ['s3-copy-v2.6-derived.json', 's3 created b21b84d653bb07b05b1e6b33684dc11b'],
  ['s3-copy.json', 's3 created <object-key:1>'],
  ['s3-intelligenttiering.json', 's3 other'],
  ['s3-key-literal-percent-derived.json', 's3 created uploads/100%25.mp4'],
  ['s3-key-literal-plus-derived.json', 's3 created uploads/c++ notes.mp4'],
  ['s3-key-percent40.json', 's3 created a@b'],
  ['s3-key-space-plus-derived.json', 's3 created uploads/red flower.jpg'],
  ['s3-key-unicode-derived.json', 's3 created uploads/视频 é🎬.mov'],
  ['s3-lifecycleexpiration-powertools-ts.json', 's3 removed expiration/delete'],
  ['s3-lifecycletransition.json', 's3 other'],
  ['s3-multi-record-copy-put-delete.json', 's3 created <object-key:1>', 's3 created <object-key:2>', 's3 removed <object-key:2>'],
  ['s3-objectremoved-delete.json', 's3 removed b21b84d653bb07b05b1e6b33684dc11b'],
  ['s3-objectrestore-completed-glacierEventData.json', 's3 other'],
  ['s3-objectrestore-completed-restoreEventData.json', 's3 other'],
  ['s3-objecttagging-put-v2.3.json', 's3 other'],
  ['s3-put-v2.0-space-percent20.json', 's3 created Happy Face.jpg'],
  ['s3-put-v2.1.json', 's3 created b21b84d653bb07b05b1e6b33684dc11b'],
  ['s3-put-versioned-docs.json', 's3 created HappyFace.jpg'],
  ['s3-put-with-glacierEventData.json', 's3 created b21b84d653bb07b05b1e6b33684dc11b'],
  ['s3-put-with-urlDecodedKey.json', 's3 created Happy Face.jpg'],
  ['s3-replication-failed.json', 's3 other'],
  ['s3-restore-post-and-completed.json', 's3 other', 's3 other'],
  ['s3-testevent-real.json', 'ignored'],
  ['s3-testevent.json', 'ignored'],
  ['s3-versioned-sequence.json', 's3 created test-key', 's3 created test-key', 's3 removed test-key', 's3 removed test-key'],
  ['s3-zero-byte-folder-marker-derived.json', 's3 created uploads/folder/'],
  ['sqs-body-eventbridge-object-created.json', 's3 created IMG_m7fzo3.jpg'],
  ['sqs-body-sns-wrapped-s3-put.json', 's3 created bucket-key'],
  ['sqs-dlq-message-attributes.json', 'MESSAGE_NOT_JSON'],
  ['sqs-receive-with-awstraceheader.json', 's3 created test-data'],
  ['sqs-s3-direct-lambda-shape.json', 's3 created test.pdf'],
  ['sqs-s3-powertools-ts.json', 's3 created test.pdf'],
  ['sqs-sns-fifo-wrapped.json', 'MESSAGE_NOT_NOTIFICATION'],
  ['sqs-sns-wrapped-nons3.json', 'MESSAGE_NOT_NOTIFICATION'],
];

describe.skipIf(names.length === 0)('collected samples', () => {
  test.each(EXPECTED)('%s', (name, ...records) => {
    expect(decoded(name)).toEqual(records);
  });

  test('every one of them is checked', () => {
    expect(names.sort()).toEqual(EXPECTED.map(([name]) => name).sort());
  });
});
