import { expect, test } from 'vitest';
import { CHECKSUM_ALGORITHMS, createChecksum, isDigest } from '../../../../local/bucket/checksums.ts';

/** The check values of the CRC catalogue, and of FIPS 180, for the nine digits. */
const CHECK_VALUES = {
  CRC32: 'cbf43926',
  CRC32C: 'e3069283',
  CRC64NVME: 'ae8b14860a799888',
  SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
};

test.each(CHECKSUM_ALGORITHMS)('%s has its published check value, in one piece and in two', (algorithm) => {
  const whole = createChecksum(algorithm);
  whole.update(Buffer.from('123456789'));
  const pieces = createChecksum(algorithm);
  pieces.update(Buffer.from('1234'));
  pieces.update(Buffer.from('56789'));
  expect(whole.digest().toString('hex')).toBe(CHECK_VALUES[algorithm]);
  expect(pieces.digest().toString('hex')).toBe(CHECK_VALUES[algorithm]);
});

test('a digest is base64 of the right length and nothing else', () => {
  expect(isDigest('CRC32', 'AAAAAA==')).toBe(true);
  for (const wrong of ['', 'AAAAAAA=', 'AAAAAA', '!AAAAA==', 'AAAAAAAAAAA=']) expect(isDigest('CRC32', wrong)).toBe(false);
});
