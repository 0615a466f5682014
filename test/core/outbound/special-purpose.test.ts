import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAddressPolicy } from '#core/outbound/public-address.ts';

/** IANA's IPv4 special-purpose address registry, and multicast, which has a registry of its own. */
const IPV4 = [
  ['this network', '0.0.0.0/8'],
  ['this host on this network', '0.0.0.0/32'],
  ['private use 10', '10.0.0.0/8'],
  ['shared address space', '100.64.0.0/10'],
  ['loopback', '127.0.0.0/8'],
  ['link local', '169.254.0.0/16'],
  ['private use 172', '172.16.0.0/12'],
  ['IETF protocol assignments', '192.0.0.0/24'],
  ['IPv4 service continuity', '192.0.0.0/29'],
  ['IPv4 dummy address', '192.0.0.8/32'],
  ['port control protocol anycast', '192.0.0.9/32'],
  ['traversal using relays anycast', '192.0.0.10/32'],
  ['NAT64/DNS64 discovery, first', '192.0.0.170/32'],
  ['NAT64/DNS64 discovery, second', '192.0.0.171/32'],
  ['documentation 1', '192.0.2.0/24'],
  ['AS112-v4', '192.31.196.0/24'],
  ['AMT', '192.52.193.0/24'],
  ['6to4 relay anycast', '192.88.99.0/24'],
  ['6a44 relay anycast', '192.88.99.2/32'],
  ['private use 192', '192.168.0.0/16'],
  ['direct delegation AS112', '192.175.48.0/24'],
  ['benchmarking', '198.18.0.0/15'],
  ['documentation 2', '198.51.100.0/24'],
  ['documentation 3', '203.0.113.0/24'],
  ['multicast', '224.0.0.0/4'],
  ['reserved', '240.0.0.0/4'],
  ['limited broadcast', '255.255.255.255/32'],
] as const;

/** IANA's IPv6 special-purpose address registry, multicast, and forms that embed an IPv4 address. */
const IPV6 = [
  ['unspecified', '::/128'],
  ['loopback', '::1/128'],
  ['IPv4-compatible', '::/96'],
  ['IPv4-translated', '::ffff:0:0:0/96'],
  ['NAT64, well-known', '64:ff9b::/96'],
  ['NAT64, local', '64:ff9b:1::/48'],
  ['discard only', '100::/64'],
  ['dummy prefix', '100:0:0:1::/64'],
  ['IETF protocol assignments', '2001::/23'],
  ['Teredo', '2001::/32'],
  ['port control protocol anycast', '2001:1::1/128'],
  ['traversal using relays anycast', '2001:1::2/128'],
  ['DNS-SD service registration anycast', '2001:1::3/128'],
  ['benchmarking', '2001:2::/48'],
  ['AMT', '2001:3::/32'],
  ['AS112-v6', '2001:4:112::/48'],
  ['ORCHID', '2001:10::/28'],
  ['ORCHIDv2', '2001:20::/28'],
  ['drone remote ID', '2001:30::/28'],
  ['documentation', '2001:db8::/32'],
  ['6to4', '2002::/16'],
  ['direct delegation AS112', '2620:4f:8000::/48'],
  ['documentation, second', '3fff::/20'],
  ['segment routing', '5f00::/16'],
  ['unique local', 'fc00::/7'],
  ['link local', 'fe80::/10'],
  ['site local', 'fec0::/10'],
  ['multicast', 'ff00::/8'],
] as const;

const isAllowed = createAddressPolicy([]);

interface Block {
  readonly first: bigint;
  readonly last: bigint;
}

/** An address as a number; written apart from the library that the policy uses. */
function numberOf(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  if (!isIPv6(address)) throw new Error(`${address} is no address`);
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - groups(head).length - after.length }, () => '0');
  return [...groups(head), ...zeros, ...after].reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

function ipv4Of(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}

function ipv6Of(value: bigint): string {
  return Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(':');
}

function blockOf(range: string): Block {
  const [base = '', bits = ''] = range.split('/');
  const size = 1n << BigInt((isIPv4(base) ? 32 : 128) - Number(bits));
  const first = numberOf(base);
  return { first, last: first + size - 1n };
}

const blocks4 = IPV4.map(([, range]) => blockOf(range));
const blocks6 = IPV6.map(([, range]) => blockOf(range));
const mapped = blockOf('::ffff:0:0/96');
const globalUnicast = blockOf('2000::/3');
const holds = ({ first, last }: Block, value: bigint): boolean => first <= value && value <= last;
const isPublic4 = (value: bigint): boolean => !blocks4.some((block) => holds(block, value));

function isPublic6(value: bigint): boolean {
  if (holds(mapped, value)) return isPublic4(value & 0xffff_ffffn);
  return holds(globalUnicast, value) && !blocks6.some((block) => holds(block, value));
}

describe('a special-purpose range is refused from its first to its last address, and its neighbours are judged alone:', () => {
  test.each(IPV4)('%s, %s', (_name, range) => {
    const { first, last } = blockOf(range);
    for (const value of [first, (first + last) / 2n, last]) expect(isAllowed(ipv4Of(value)), ipv4Of(value)).toBe(false);
    for (const value of [first - 1n, last + 1n]) {
      if (value < 0n || value > 0xffff_ffffn) continue;
      expect(isAllowed(ipv4Of(value)), ipv4Of(value)).toBe(isPublic4(value));
    }
  });

  test.each(IPV4)('%s, %s, inside IPv6', (_name, range) => {
    const { first, last } = blockOf(range);
    for (const value of [first, (first + last) / 2n, last]) {
      const low = ipv6Of(value).split(':').slice(6).join(':');
      const forms = [
        `::ffff:${ipv4Of(value)}`, // IPv4-mapped
        `::ffff:${low}`,
        `::${ipv4Of(value)}`, // IPv4-compatible
        `::ffff:0:${ipv4Of(value)}`, // IPv4-translated
        `64:ff9b::${ipv4Of(value)}`, // NAT64
        `64:ff9b::${low}`,
        `64:ff9b:1::${ipv4Of(value)}`, // local NAT64
        `2002:${low}::1`, // 6to4
        `2001:0:${low}::1`, // a Teredo server
        `2001::${ipv6Of(~value & 0xffff_ffffn)
          .split(':')
          .slice(6)
          .join(':')}`, // a Teredo client, its bits inverted
      ];
      for (const form of forms) expect(isAllowed(form), form).toBe(false);
    }
  });

  test.each(IPV6)('%s, %s', (_name, range) => {
    const { first, last } = blockOf(range);
    for (const value of [first, (first + last) / 2n, last]) expect(isAllowed(ipv6Of(value)), ipv6Of(value)).toBe(false);
    for (const value of [first - 1n, last + 1n]) {
      if (value < 0n || value >= 1n << 128n) continue;
      expect(isAllowed(ipv6Of(value)), ipv6Of(value)).toBe(isPublic6(value));
    }
  });
});

test('any address is judged as the registries say', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffffn }), (value) => isAllowed(ipv4Of(value)) === isPublic4(value)),
  );
  const ipv6 = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
    fc.bigInt({ min: globalUnicast.first, max: globalUnicast.last }),
    fc.bigInt({ min: mapped.first, max: mapped.last }),
    fc.bigInt({ min: 0n, max: 0xffff_ffff_ffffn }),
  );
  fc.assert(fc.property(ipv6, (value) => isAllowed(ipv6Of(value)) === isPublic6(value)));
});

test.each(['fe80::1%eth0', '2606:4700::1%eth0', '2606:4700::1%25lo', '::1%1'])('a zone is refused: %s', (address) => {
  expect(isAllowed(address)).toBe(false);
  expect(createAddressPolicy(['::/0'])(address)).toBe(false);
});

test('a translator that the operator allows does not open private addresses behind it', () => {
  const behindNat64 = createAddressPolicy(['64:ff9b::/96']);
  expect(behindNat64('64:ff9b::8.8.8.8')).toBe(true);
  for (const address of ['64:ff9b::10.0.0.1', '64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe']) {
    expect(behindNat64(address), address).toBe(false);
  }
});
