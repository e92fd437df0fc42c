import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder, type ChunkedOptions } from '../../../../local/bucket/chunked.ts';
import { signingKey } from '../../../../local/sigv4.ts';

/** The worked example of "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks". */
const signed = {
  signingKey: signingKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', { date: '20130524', region: 'us-east-1', service: 's3' }),
  scope: '20130524/us-east-1/s3/aws4_request',
  timestamp: '20130524T000000Z',
  signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
};
const EXAMPLE = [
  '10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n',
  `${'a'.repeat(65536)}\r\n`,
  '400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n',
  `${'a'.repeat(1024)}\r\n`,
  '0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n',
].join('');

function decode(options: ChunkedOptions, pieces: readonly Buffer[]): { body: Buffer; trailers: ReadonlyMap<string, string> } {
  const decoder = new ChunkedDecoder(options);
  const body = Buffer.concat(pieces.flatMap((piece) => [...decoder.decode(piece)]));
  decoder.finish();
  return { body, trailers: decoder.trailers };
}

function cut(whole: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return places.slice(1).map((end, index) => whole.subarray(places[index], end));
}

describe('signed chunks', () => {
  test('decode the documented example', () => {
    expect(decode({ signed, trailer: false }, [Buffer.from(EXAMPLE)]).body.toString()).toBe('a'.repeat(66_560));
  });

  test('are refused where a byte of the body, or the order of chunks, is another', () => {
    const changed = EXAMPLE.replace('aaaa\r\n400', 'aaab\r\n400');
    expect(() => decode({ signed, trailer: false }, [Buffer.from(changed)])).toThrow('signature');
    const withoutFirst = EXAMPLE.slice(EXAMPLE.indexOf('400;'));
    expect(() => decode({ signed, trailer: false }, [Buffer.from(withoutFirst)])).toThrow('signature');
  });

  test('are refused where they carry no signature', () => {
    expect(() => decode({ signed, trailer: false }, [Buffer.from('3\r\nabc\r\n0\r\n\r\n')])).toThrow('malformed');
  });

  test('are refused where the signature of the trailer is missing', () => {
    expect(() => decode({ signed, trailer: true }, [Buffer.from(EXAMPLE)])).toThrow('signature');
  });
});

describe('unsigned chunks', () => {
  const options = { signed: undefined, trailer: true };

  test('give the body and the trailer, however they are cut into pieces', () => {
    const property = fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (chunks, places) => {
        const framed = chunks.map((chunk) =>
          Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
        );
        const whole = Buffer.concat([...framed, Buffer.from('0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n')]);
        const { body, trailers } = decode(options, cut(whole, places));
        expect(body.equals(Buffer.concat(chunks))).toBe(true);
        expect([...trailers]).toEqual([['x-amz-checksum-crc32', 'AAAAAA==']]);
      },
    );
    fc.assert(property);
  });

  test('are refused wherever they end too early', () => {
    const whole = Buffer.from('3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n');
    // Only the empty line behind the trailer may be left out.
    for (let length = 0; length < whole.length - 4; length += 1) {
      const isAllowed = whole.subarray(0, length).toString().endsWith('0\r\n');
      if (!isAllowed) expect(() => decode(options, [whole.subarray(0, length)]), `after ${length} bytes`).toThrow();
    }
  });

  test('are refused where a line has no end', () => {
    expect(() => decode(options, [Buffer.from('3'.repeat(2000))])).toThrow('malformed');
  });

  test.each(['xyz\r\nabc', '-3\r\nabc', '3\r\nabcd\r\n0\r\n\r\n', '3;foo=1\r\nabc\r\n0\r\n\r\n', '0\r\n\r\nmore\r\n'])(
    'are refused as %j',
    (text) => {
      expect(() => decode(options, [Buffer.from(text)])).toThrow();
    },
  );
});
