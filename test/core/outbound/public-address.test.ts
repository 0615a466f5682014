import { describe, expect, test } from 'vitest';
import { createAddressPolicy } from '#core/outbound/public-address.ts';

const isAllowed = createAddressPolicy([]);

describe('addresses that are refused', () => {
  test.each([
    ['this network', '0.0.0.0'],
    ['this network, its end', '0.255.255.255'],
    ['private 10/8', '10.0.0.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['carrier-grade NAT, its end', '100.127.255.255'],
    ['loopback', '127.0.0.1'],
    ['loopback, its end', '127.255.255.254'],
    ['link-local', '169.254.0.1'],
    ['a cloud’s metadata service', '169.254.169.254'],
    ['private 172.16/12', '172.16.0.1'],
    ['private 172.16/12, its end', '172.31.255.255'],
    ['IETF protocol assignments', '192.0.0.8'],
    ['documentation 1', '192.0.2.1'],
    ['6to4 relay', '192.88.99.1'],
    ['private 192.168/16', '192.168.1.1'],
    ['benchmarking', '198.18.0.1'],
    ['benchmarking, its end', '198.19.255.255'],
    ['documentation 2', '198.51.100.1'],
    ['documentation 3', '203.0.113.1'],
    ['multicast', '224.0.0.1'],
    ['class E', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified IPv6', '::'],
    ['loopback IPv6', '::1'],
    ['unique local', 'fd00::1'],
    ['unique local, its start', 'fc00::1'],
    ['link-local IPv6', 'fe80::1'],
    ['site-local', 'fec0::1'],
    ['multicast IPv6', 'ff02::1'],
    ['documentation IPv6', '2001:db8::1'],
    ['documentation IPv6, second', '3fff::1'],
    ['Teredo', '2001:0:7f00:1::'],
    ['ORCHID', '2001:20::1'],
    ['6to4 of a private address', '2002:a00:1::'],
    ['IPv4-mapped loopback', '::ffff:127.0.0.1'],
    ['IPv4-mapped loopback in hexadecimal', '::ffff:7f00:1'],
    ['IPv4-compatible loopback', '::127.0.0.1'],
    ['NAT64 of a private address', '64:ff9b::10.0.0.1'],
    ['NAT64, local', '64:ff9b:1::1'],
    ['IPv4-translated', '::ffff:0:127.0.0.1'],
    ['discard', '100::1'],
    ['no address', 'localhost'],
    ['nothing', ''],
  ])('%s (%s)', (_name, address) => {
    expect(isAllowed(address)).toBe(false);
  });
});

describe('addresses that are reached', () => {
  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '172.15.255.255',
    '172.32.0.1',
    '192.167.255.255',
    '192.169.0.1',
    '198.17.255.255',
    '198.20.0.1',
    '223.255.255.254',
    '2606:4700:4700::1111',
    '2a00:1450:4001:80b::200e',
    '::ffff:8.8.8.8',
  ])('%s', (address) => {
    expect(isAllowed(address)).toBe(true);
  });
});

describe('an operator’s ranges', () => {
  const withRanges = createAddressPolicy(['10.1.0.0/16', 'fd12::/16']);

  test('are reached beside public addresses', () => {
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd12::1', '8.8.8.8']) {
      expect(withRanges(address), address).toBe(true);
    }
  });

  test('do not open their neighbours', () => {
    for (const address of ['10.2.0.1', '127.0.0.1', 'fd13::1', '::1']) expect(withRanges(address), address).toBe(false);
  });

  test('must be ranges', () => {
    expect(() => createAddressPolicy(['10.1.0.0'])).toThrow();
  });
});
