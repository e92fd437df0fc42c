import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AddressKind, classifyAddress } from '../../../storage/addresses.ts';

const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const word = fc.nat(0xffff);
const hex = (value: number) => value.toString(16);

/** Written down apart from the code, from the registries: the first octets of what is not public. */
function isSpecialV4([a, b, c, d]: readonly [number, number, number, number]): boolean {
  return (
    [0, 10, 127].includes(a) ||
    a >= 224 ||
    (a === 100 && b >= 64 && b <= 127) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b <= 31) ||
    (a === 192 && b === 168) ||
    (a === 192 && b === 0 && (c === 0 || c === 2)) ||
    (a === 192 && b === 88 && c === 99) ||
    (a === 198 && (b === 18 || b === 19)) ||
    (a === 198 && b === 51 && c === 100) ||
    (a === 203 && b === 0 && c === 113) ||
    (a === 168 && b === 63 && c === 129 && d === 16)
  );
}

/** Random octets seldom fall into the small ranges. */
const nearSpecial = fc.constantFrom(
  [100, 64],
  [100, 128],
  [169, 254],
  [172, 16],
  [172, 32],
  [192, 168],
  [192, 0],
  [192, 88],
  [198, 18],
  [198, 51],
  [203, 0],
);
const v4 = fc.oneof(
  octets,
  fc
    .tuple(nearSpecial, fc.constantFrom(0, 2, 99, 100, 113, 200), fc.nat(255))
    .map(([[a = 0, b = 0], c, d]): [number, number, number, number] => [a, b, c, d]),
);

describe('classifyAddress', () => {
  test('calls an IPv4 address public exactly when no special range holds it', () => {
    fc.assert(
      fc.property(v4, (address) => {
        expect(classifyAddress(address.join('.')) === 'public').toBe(!isSpecialV4(address));
      }),
      { numRuns: 2000 },
    );
  });

  test('never calls an IPv6 address public that has an IPv4 address inside', () => {
    const embeddings = [
      (high: string, low: string) => `::ffff:${high}:${low}`,
      (high: string, low: string) => `64:ff9b::${high}:${low}`,
      (high: string, low: string) => `64:ff9b:1::${high}:${low}`,
      (high: string, low: string) => `2002:${high}:${low}::1`,
      (high: string, low: string) => `2001:0:${high}:${low}::`,
      (high: string, low: string) => `::${high}:${low}`,
    ];
    fc.assert(
      fc.property(fc.constantFrom(...embeddings), word, word, (embed, high, low) => {
        expect(classifyAddress(embed(hex(high), hex(low)))).not.toBe('public');
      }),
    );
  });

  test('calls nothing outside of 2000::/3 public', () => {
    fc.assert(
      fc.property(
        word.filter((first) => first >> 13 !== 1),
        word,
        word,
        (first, second, last) => {
          expect(classifyAddress(`${hex(first)}:${hex(second)}::${hex(last)}`)).not.toBe('public');
        },
      ),
    );
  });

  test.each<[string, AddressKind]>([
    ['8.8.8.8', 'public'],
    ['2606:4700::1111', 'public'],
    ['2001:4860:4860::8888', 'public'],
    ['127.8.9.10', 'loopback'],
    ['::1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['169.254.169.254', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['100.64.0.1', 'shared'],
    ['10.1.2.3', 'private'],
    ['fd12::1', 'private'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'invalid'],
    ['::ffff:127.0.0.1', 'mapped'],
    ['0:0:0:0:0:ffff:7f00:1', 'mapped'],
    ['64:ff9b::127.0.0.1', 'translated'],
    ['2002:7f00:1::', 'translated'],
    ['2001::7f00:1', 'reserved'],
    ['ff02::1', 'multicast'],
    ['239.1.1.1', 'multicast'],
    ['255.255.255.255', 'reserved'],
    ['localhost', 'invalid'],
    ['127.1', 'invalid'],
    ['', 'invalid'],
  ])('%s is %s', (address, kind) => {
    expect(classifyAddress(address)).toBe(kind);
  });
});
