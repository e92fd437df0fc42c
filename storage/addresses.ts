/**
 * Which IP addresses a stranger may make this program connect to: only those of the public internet. The ranges are those of
 * IANA's special-purpose address registries (RFC 6890 and its successors), and one address that a cloud put outside of them.
 */
import { BlockList, isIP } from 'node:net';

export type AddressKind =
  | 'public'
  | 'unspecified'
  | 'loopback'
  | 'link-local'
  | 'private'
  | 'shared'
  | 'multicast'
  | 'reserved'
  | 'metadata'
  | 'mapped'
  | 'translated'
  | 'invalid';

const RANGES: readonly (readonly [AddressKind, ...string[]])[] = [
  // Azure's wire server. Other clouds' metadata addresses are link-local, private or shared ones.
  ['metadata', '168.63.129.16/32', '169.254.169.254/32', 'fd00:ec2::254/128', '100.100.100.200/32'],
  ['unspecified', '0.0.0.0/8', '::/128'],
  ['loopback', '127.0.0.0/8', '::1/128'],
  ['link-local', '169.254.0.0/16', 'fe80::/10'],
  ['private', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10'],
  ['shared', '100.64.0.0/10'],
  ['multicast', '224.0.0.0/4', 'ff00::/8'],
  ['mapped', '::ffff:0:0/96'],
  // An IPv4 address is inside these, and a gateway somewhere would unpack it: IPv4-compatible, NAT64, 6to4 and its relay.
  ['translated', '::/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '192.88.99.0/24'],
  // Protocol assignments (Teredo is the first of them), documentation, benchmarks, and what was never given out.
  ['reserved', '192.0.0.0/24', '192.0.2.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '240.0.0.0/4'],
  ['reserved', '2001::/23', '2001:db8::/32', '3fff::/20'],
];

/** A list each for the two versions: one BlockList for both would match an IPv4 address against the range of the mapped ones. */
const lists = {
  ipv4: listsOf((range) => !range.includes(':')),
  ipv6: listsOf((range) => range.includes(':')),
};

/** All IPv6 addresses that are global unicast so far; the rest of the space is for what does not exist yet. */
const globalUnicast = blockList(['2000::/3']);

/** `address` as text, IPv6 without brackets. Only `public` may be connected to. */
export function classifyAddress(address: string): AddressKind {
  const family = isIP(address);
  // A zone index means a link of this very machine.
  if (family === 0 || address.includes('%')) return 'invalid';
  const version = family === 4 ? 'ipv4' : 'ipv6';
  const found = lists[version].find(({ list }) => list.check(address, version));
  if (found !== undefined) return found.kind;
  return version === 'ipv6' && !globalUnicast.check(address, version) ? 'reserved' : 'public';
}

function listsOf(isWanted: (range: string) => boolean) {
  return RANGES.map(([kind, ...ranges]) => ({ kind, list: blockList(ranges.filter(isWanted)) }));
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', bits] = range.split('/');
    list.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}
