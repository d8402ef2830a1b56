import { describe, expect, it } from 'vitest';

import { AddressPolicy } from '../../../lib/discovery/address-policy.js';

describe('AddressPolicy', () => {
  const policy = new AddressPolicy();

  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '169.254.0.1',
    '169.254.169.254',
    '169.254.255.255',
    '224.0.0.1',
    '239.255.255.250',
    '255.255.255.255',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '::',
    '0:0:0:0:0:0:0:0',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'ff02::1',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::ffff:0.0.0.0',
    '64:ff9b::a9fe:a9fe',
  ])('denies %s', (host) => {
    expect(policy.problem(host)).toBeTypeOf('string');
  });

  it.each([
    '10.0.0.1',
    '127.0.0.1',
    '192.168.1.1',
    '172.16.0.1',
    '100.64.0.1',
    '8.8.8.8',
    '::1',
    'fd00::1',
    '2001:db8::1',
    '::ffff:10.0.0.1',
    'localhost',
    'orders-1.orders.svc.cluster.local',
    'node-10',
    'r2d2',
  ])('lets %s pass', (host) => {
    expect(policy.problem(host)).toBeUndefined();
  });

  it('lets pass what is listed, alone or as a range', () => {
    const lenient = new AddressPolicy(['169.254.7.0/24', 'fe80::/10', '0.0.0.0']);
    expect(lenient.problem('169.254.7.9')).toBeUndefined();
    expect(lenient.problem('fe80::1')).toBeUndefined();
    expect(lenient.problem('0.0.0.0')).toBeUndefined();
    expect(lenient.problem('169.254.8.9')).toContain('discovery.allowAddresses');
    expect(lenient.problem('0.0.0.1')).toBeTypeOf('string');
  });

  it.each(['', '10.0.0.0/33', 'fe80::/129', '10.0.0.0/', '10.0.0.0/-1', 'example.com', 'fe80::1%eth0', 7])(
    'refuses the range %j by the name of its option',
    (range) => {
      expect(() => new AddressPolicy(['10.0.0.1', range as string])).toThrow(
        /^discovery\.allowAddresses\[1\]: expected/,
      );
    },
  );
});
