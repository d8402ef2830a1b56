import { describe, expect, it } from 'vitest';

import { formatAddress, isLoopback, parseAddress } from '../../../lib/core/address.js';

describe('parseAddress', () => {
  it.each([
    ['10.0.0.1:4000', '10.0.0.1', 4_000],
    ['[::1]:4000', '::1', 4_000],
    ['[2001:db8::7]:65535', '2001:db8::7', 65_535],
    ['[::ffff:10.0.0.1]:1', '::ffff:10.0.0.1', 1],
    ['[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
    ['orders.internal:4000', 'orders.internal', 4_000],
    ['localhost:0', 'localhost', 0],
  ])('reads %s, and writes it the same', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
    expect(formatAddress(host, port)).toBe(text);
  });

  it('takes a port alone for this machine', () => {
    expect(parseAddress(':4000')).toEqual({ host: '127.0.0.1', port: 4_000 });
  });

  it.each([
    ...[
      '',
      ':',
      '4000',
      '10.0.0.1',
      '10.0.0.1:',
      '10.0.0.1:x',
      '10.0.0.1:65536',
      '10.0.0.1:-1',
      '10.0.0.1:1.5',
      '10.0.0.1:123456',
    ],
    ...['::1:4000', '2001:db8::7:80', '[::1]', '[::1', '::1]:80', '[]:80', '[10.0.0.1]:80', '[x]:80', '[::g]:80'],
    ...['http://a:80', 'a/b:80', 'a b:80', ' a:80', 'a:80 ', 'a:80\n', `${'a'.repeat(254)}:80`],
  ])('finds no address in %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe('isLoopback', () => {
  it.each([
    ...['127.0.0.1', '127.255.0.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1'],
    ...['localhost', 'LocalHost', '/run/orders.sock'],
  ])('is true of %s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    ...['10.0.0.1', '0.0.0.0', '::', '128.0.0.1', '::ffff:10.0.0.1', 'fe80::1%eth0', ''],
    ...['127.example.org', '127.0.0.1.example.org', '::1.example.org', 'localhost.example.org', 'orders'],
  ])('is false of %j', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
