/**
 * Receipt handles: opaque to clients, a new one for each receive. One names its queue (by an id that a queue of the same
 * name made later does not share) and its message, and carries a checksum, so that what was never one is told apart from
 * one that has done its work.
 */
import { createHash, randomBytes } from 'node:crypto';
import { SqsFault } from './faults.ts';

export interface Receipt {
  readonly queueUid: string;
  readonly messageId: string;
}

const VERSION = 1;
const ID_BYTES = 16;
const SALT_BYTES = 8;
const CHECKSUM_BYTES = 8;
const SALT_AT = 1 + 2 * ID_BYTES;
const CHECKSUM_AT = SALT_AT + SALT_BYTES;

export function receiptHandle(receipt: Receipt): string {
  const content = Buffer.concat([
    Buffer.of(VERSION),
    uuidBytes(receipt.queueUid),
    uuidBytes(receipt.messageId),
    randomBytes(SALT_BYTES),
  ]);
  return Buffer.concat([content, checksum(content)]).toString('base64url');
}

/** The id of the message that `handle` is for. Throws ReceiptHandleIsInvalid, also for another queue's. */
export function messageIdOf(handle: string, queueUid: string): string {
  const receipt = readReceiptHandle(handle);
  if (receipt.queueUid !== queueUid) throw invalidHandle();
  return receipt.messageId;
}

function readReceiptHandle(handle: string): Receipt {
  const bytes = Buffer.from(handle, 'base64url');
  const content = bytes.subarray(0, CHECKSUM_AT);
  const genuine =
    bytes.length === CHECKSUM_AT + CHECKSUM_BYTES &&
    bytes[0] === VERSION &&
    bytes.toString('base64url') === handle &&
    checksum(content).equals(bytes.subarray(CHECKSUM_AT));
  if (!genuine) throw invalidHandle();
  return {
    queueUid: uuidText(bytes.subarray(1, 1 + ID_BYTES)),
    messageId: uuidText(bytes.subarray(1 + ID_BYTES, SALT_AT)),
  };
}

function invalidHandle(): SqsFault {
  return new SqsFault('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.');
}

function checksum(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest().subarray(0, CHECKSUM_BYTES);
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
