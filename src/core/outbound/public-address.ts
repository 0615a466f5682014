import ipaddr from 'ipaddr.js';

/** Decides which addresses an outbound call may reach: public ones, and the ranges that an operator allows besides. */
export type AddressPolicy = (address: string) => boolean;

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

const GLOBAL_UNICAST_IPV6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
/** RFC 6052: the last 32 bits are the IPv4 address that a translator connects to. */
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];
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
  const permits = (address: Address): boolean => {
    if (isPublic(address)) return true;
    if (!allowed.some((range) => isIn(address, range))) return false;
    const translated = translatedByNat64(address);
    return translated === undefined || permits(translated); // an allowed translator does not open what lies behind it
  };
  return (text) => {
    // a zone names an interface of this machine, which no stranger has a say in
    if (!ipaddr.isValid(text) || text.includes('%')) return false;
    return permits(ipaddr.process(text)); // an IPv4 address in IPv6 clothes is judged as what it is
  };
}

function isIn(address: Address, [base, bits]: Range): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return !NOT_PUBLIC_IPV4.some((range) => isIn(address, range));
  return isIn(address, GLOBAL_UNICAST_IPV6) && !NOT_PUBLIC_IPV6.some((range) => isIn(address, range));
}

function translatedByNat64(address: Address): ipaddr.IPv4 | undefined {
  if (!isIn(address, NAT64)) return undefined;
  return new ipaddr.IPv4(address.toByteArray().slice(12));
}
