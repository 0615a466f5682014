import ipaddr from 'ipaddr.js';

/** Decides which addresses an outbound call may reach: public ones, and the ranges that an operator allows besides. */
export type AddressPolicy = (address: string) => boolean;

const GLOBAL_UNICAST_IPV6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
/** 192.0.0.0/24, 198.18.0.0/15, documentation, class E and the like are not all in the library's named ranges. */
const NOT_PUBLIC_IPV4 = [
  '0.0.0.0/8',
  '100.64.0.0/10',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '240.0.0.0/4',
].map((range) => ipaddr.IPv4.parseCIDR(range));
/** Documentation and benchmarking inside 2000::/3, and the forms there that embed an IPv4 address (Teredo, 6to4). */
const NOT_PUBLIC_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '2620:4f:8000::/48'].map((range) =>
  ipaddr.IPv6.parseCIDR(range),
);

/** `allow` holds ranges such as `10.0.0.0/8`. Throws on a range that is none. */
export function createAddressPolicy(allow: readonly string[]): AddressPolicy {
  const allowed = allow.map((range) => ipaddr.parseCIDR(range));
  return (text) => {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.process(text); // an IPv4 address in IPv6 clothes is judged as what it is
    return isAllowed(address, allowed) || isPublic(address);
  };
}

function isAllowed(
  address: ipaddr.IPv4 | ipaddr.IPv6,
  allowed: readonly [ipaddr.IPv4 | ipaddr.IPv6, number][],
): boolean {
  return allowed.some(([base, bits]) => address.kind() === base.kind() && address.match(base, bits));
}

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return !NOT_PUBLIC_IPV4.some(([base, bits]) => address.match(base, bits));
  if (!address.match(...GLOBAL_UNICAST_IPV6)) return false;
  return !NOT_PUBLIC_IPV6.some(([base, bits]) => address.match(base, bits));
}
