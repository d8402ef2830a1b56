import { describe, expect, it } from 'vitest';

import { advertisedAddress, type AdvertisedAddressInit } from '../../../lib/discovery/advertised-address.js';
import type { Interfaces } from '../../../lib/discovery/interface-address.js';

const v4 = (address: string, internal = false) => ({ address, family: 'IPv4' as const, internal });
const v6 = (address: string, internal = false) => ({ address, family: 'IPv6' as const, internal });

const LO = [v4('127.0.0.1', true), v6('::1', true)];
const HOST: Interfaces = {
  lo: LO,
  docker0: [v4('172.17.0.1')],
  eth10: [v4('10.0.10.1')],
  eth2: [v6('fe80::2'), v6('2001:db8::2'), v4('10.0.2.1'), v4('10.0.2.2')],
};

const address = (init: Partial<AdvertisedAddressInit> = {}) =>
  advertisedAddress({ bindHost: '0.0.0.0', port: 4000, env: {}, interfaces: HOST, ...init });
const host = (init: Partial<AdvertisedAddressInit> = {}) => address(init).host;

describe('the advertised address', () => {
  it.each([
    ['10.9.9.9', { host: '10.9.9.9', port: 4000 }],
    ['10.9.9.9:5000', { host: '10.9.9.9', port: 5000 }],
    ['orders.internal', { host: 'orders.internal', port: 4000 }],
    ['orders.internal:80', { host: 'orders.internal', port: 80 }],
    ['fd00::7', { host: 'fd00::7', port: 4000 }],
    ['[fd00::7]:5000', { host: 'fd00::7', port: 5000 }],
    [{ host: 'a' }, { host: 'a', port: 4000 }],
    [
      { host: 'a', port: 1 },
      { host: 'a', port: 1 },
    ],
  ])('is what is stated: %j', (advertise, expected) => {
    expect(address({ advertise, env: { ROOKERY_ADVERTISE: '10.1.1.1', POD_IP: '10.2.2.2' } })).toEqual(expected);
    if (typeof advertise === 'string') expect(address({ env: { ROOKERY_ADVERTISE: advertise } })).toEqual(expected);
  });

  it('is the specific host that was bound, a name too', () => {
    const env = { POD_IP: '10.2.2.2' };
    expect(address({ bindHost: '127.0.0.1', env })).toEqual({ host: '127.0.0.1', port: 4000 });
    expect(host({ bindHost: '10.0.2.2', env })).toBe('10.0.2.2');
    expect(host({ bindHost: 'localhost', env })).toBe('localhost');
    expect(host({ bindHost: '::1', env })).toBe('::1');
  });

  it('is the address of the pod, where the socket listens on its family', () => {
    expect(host({ env: { POD_IP: '10.2.2.2' } })).toBe('10.2.2.2');
    expect(host({ bindHost: '::', env: { POD_IP: 'fd00::2' } })).toBe('fd00::2');
    expect(host({ env: { POD_IP: 'fd00::2' } })).toBe('10.0.2.1');
    expect(host({ env: { POD_IP: '$(POD_IP)', ROOKERY_ADVERTISE: '' } })).toBe('10.0.2.1');
  });

  it.each(['0.0.0.0', '::', '', '*', '0::0'])(
    'is the first IPv4 address of the first real interface by name, bound to %j',
    (bindHost) => {
      expect(host({ bindHost })).toBe('10.0.2.1');
    },
  );

  it('does not depend on the order in which the system names its interfaces', () => {
    const reversed = Object.fromEntries(Object.entries(HOST).toReversed());
    expect(host({ interfaces: reversed })).toBe('10.0.2.1');
  });

  it('is one of a bridge or tunnel only where there is no other', () => {
    const virtual = { lo: LO, 'br-1a2b': [v4('172.18.0.1')], docker0: [v4('172.17.0.1')], wg0: [v4('10.8.0.1')] };
    expect(host({ interfaces: virtual })).toBe('172.18.0.1');
    expect(host({ interfaces: { ...virtual, wlan0: [v4('192.168.1.7')] } })).toBe('192.168.1.7');
  });

  it('is IPv6 where there is no IPv4 and the socket listens on it: global before unique local, never link-local', () => {
    const interfaces = { lo: LO, eth0: [v6('fe80::1'), v6('fd00::1')], eth1: [v4('169.254.3.3'), v6('2001:db8::1')] };
    expect(host({ interfaces, bindHost: '::' })).toBe('2001:db8::1');
    expect(host({ interfaces: { lo: LO, eth0: interfaces.eth0 }, bindHost: '::' })).toBe('fd00::1');
    expect(host({ interfaces })).toBe('127.0.0.1');
  });

  it('is loopback where there is nothing else', () => {
    expect(address({ interfaces: { lo: LO } })).toEqual({ host: '127.0.0.1', port: 4000 });
    expect(host({ interfaces: {} })).toBe('127.0.0.1');
  });

  it('is some address of this very machine without anything given', () => {
    expect(advertisedAddress({ bindHost: '0.0.0.0', port: 1 }).host).not.toBe('0.0.0.0');
  });

  it.each([
    '0.0.0.0',
    '::',
    '[::]:80',
    ':80',
    '',
    'a b',
    'http://a',
    'a:b',
    'a:0',
    'a:70000',
    '[::1',
    { host: '' },
    { host: 'a:80' },
    { host: '0.0.0.0', port: 80 },
    { host: 'a', port: 0 },
    { host: 'a', port: 1.5 },
    { host: 7 },
    {},
    null,
    7,
  ])('is refused where nobody can call it: %j', (advertise) => {
    expect(() => address({ advertise: advertise as string })).toThrow(
      /^advertise: expected an address that callers reach/,
    );
  });

  it('names the variable that is wrong', () => {
    expect(() => address({ env: { ROOKERY_ADVERTISE: '0.0.0.0' } })).toThrow(/^ROOKERY_ADVERTISE: .*got "0\.0\.0\.0"/);
  });

  it('cannot be a Unix socket, and says what to set', () => {
    expect(() => address({ bindHost: '/run/orders.sock' })).toThrow(/Unix socket .* option 'advertise'/);
  });
});
