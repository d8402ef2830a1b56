import { describe, expect, it } from 'vitest';

import { formatAddress, isLoopback, MAX_UNIX_PATH_BYTES, parseAddress } from '../../../lib/core/address.js';
import { instanceProblem, isAnonymous, serviceInstance } from '../../../lib/core/instance.js';
import { AddressPolicy } from '../../../lib/discovery/address-policy.js';
import { advertisedAddress } from '../../../lib/discovery/advertised-address.js';
import { discoverySettings } from '../../../lib/discovery/discovery-options.js';
import { RecordFilter } from '../../../lib/discovery/record-filter.js';
import { staticRegistry } from '../../../lib/registry/static-registry.js';

const SOCKET = 'unix:/run/rookery/orders.sock';

const NO_PATHS = [
  'unix:',
  'unix:orders.sock',
  'unix:./orders.sock',
  'unix:/',
  'unix:/run/',
  'unix:/run//orders.sock',
  'unix:/run/./orders.sock',
  'unix:/run/rookery/../docker.sock',
  'unix:/run/a\0b',
  'unix:/run/a\nb',
  `unix:/${'x'.repeat(MAX_UNIX_PATH_BYTES)}`,
  `unix:/${'ü'.repeat(60)}`,
];

describe('the address of a Unix socket', () => {
  it('is read, written the same, and of this machine', () => {
    expect(parseAddress(SOCKET)).toEqual({ host: SOCKET, port: 0 });
    expect(formatAddress(SOCKET, 0)).toBe(SOCKET);
    expect(isLoopback(SOCKET)).toBe(true);
  });

  it.each(NO_PATHS)('is none: %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe('the record of an instance on a Unix socket', () => {
  const record = { serviceName: 'orders', ip: SOCKET, port: 0 };

  it('has the port 0, and an id of its own where none is given', () => {
    const instance = serviceInstance(record);
    expect(instance.instanceId).toBe('unix:%2Frun%2Frookery%2Forders.sock');
    expect(isAnonymous(instance)).toBe(true);
    expect(isAnonymous(serviceInstance({ ...record, instanceId: 'orders-1' }))).toBe(false);
  });

  it.each(NO_PATHS)('is refused with the path %j', (ip) => {
    expect(instanceProblem({ ...serviceInstance(record), ip })).toMatch(/^ip: /);
  });

  it('is refused with a port, as any other is without', () => {
    expect(instanceProblem({ ...serviceInstance(record), port: 4_000 })).toMatch(/^port: a Unix socket has none/);
    expect(instanceProblem({ ...serviceInstance(record), ip: '10.0.0.1' })).toMatch(/^port: expected 1 to 65535/);
  });

  it('may be in a static list', async () => {
    const registry = staticRegistry({ orders: [SOCKET] });
    expect(await registry.getInstances('orders')).toMatchObject([{ ip: SOCKET, port: 0 }]);
  });
});

describe('a Unix socket that a registry names', () => {
  const allowing = (...allowUnixSockets: string[]) => discoverySettings({ allowUnixSockets }).addresses;

  it('is not connected to by default', () => {
    expect(new AddressPolicy().problem(SOCKET)).toMatch(/none of the folders of discovery\.allowUnixSockets/);
    expect(new AddressPolicy(['0.0.0.0/0', '::/0']).problem(SOCKET)).toBeTypeOf('string');
  });

  it.each(['/run/rookery', '/run/rookery/', '/run'])('is connected to where its folder %s is allowed', (folder) => {
    expect(allowing('/var/run', folder).problem(SOCKET)).toBeUndefined();
  });

  it.each([
    SOCKET.replace('rookery', 'rookery-2'),
    SOCKET.replace('rookery', 'rook'),
    'unix:/run/rookery',
    'unix:/var/run/docker.sock',
    'unix:/run/rookery/../docker.sock',
    'unix:/run/rookery//../../etc/x',
    'unix:run/rookery/orders.sock',
  ])('is not connected to beside it: %s', (host) => {
    expect(allowing('/run/rookery').problem(host)).toBeTypeOf('string');
  });

  it.each(['', '/', 'run', '/run/../etc', '/run//x', 7, null])('is not allowed by what is no folder: %j', (folder) => {
    expect(() => allowing(folder as string)).toThrow(/^discovery\.allowUnixSockets\[0\]: expected the absolute path/);
  });

  it('is dropped alone where it is not allowed, and the rest of its list is kept', () => {
    const records = [
      serviceInstance({ serviceName: 'orders', instanceId: 'a', ip: 'unix:/var/run/docker.sock', port: 0 }),
      serviceInstance({ serviceName: 'orders', instanceId: 'b', ip: SOCKET, port: 0 }),
      serviceInstance({ serviceName: 'orders', instanceId: 'c', ip: '10.0.0.1', port: 4_000 }),
    ];
    const { instances, refusals } = new RecordFilter('orders', allowing('/run/rookery'), 10).apply(records);
    expect([...instances.keys()]).toEqual(['b', 'c']);
    expect(refusals).toEqual([{ instance: 'a', problem: expect.stringContaining('/var/run/docker.sock') }]);
  });
});

describe('an instance bound to a Unix socket', () => {
  const env = { ROOKERY_ADVERTISE: '', POD_IP: '10.0.0.9' };

  it('announces it', () => {
    expect(advertisedAddress({ bindHost: SOCKET, port: 0, env })).toEqual({ host: SOCKET, port: 0 });
  });

  it('announces what is stated, also another path', () => {
    const advertise = 'unix:/mnt/orders.sock';
    expect(advertisedAddress({ advertise, bindHost: SOCKET, port: 0, env })).toEqual({ host: advertise, port: 0 });
    expect(() => advertisedAddress({ advertise: 'unix:orders.sock', bindHost: SOCKET, port: 0, env })).toThrow(
      /^advertise: /,
    );
  });
});

describe('an address with a zone', () => {
  it('is not connected to, as the zone is of another host', () => {
    expect(new AddressPolicy().problem('2001:db8::1%eth0')).toMatch(/has a zone/);
    expect(new AddressPolicy(['fe80::/10']).problem('fe80::1%eth0')).toMatch(/has a zone/);
    expect(new AddressPolicy(['fe80::/10']).problem('fe80::1')).toBeUndefined();
  });

  it('is not announced', () => {
    expect(() => advertisedAddress({ bindHost: 'fe80::1%eth0', port: 4_000, env: {} })).toThrow(
      /has a zone.* option 'advertise'/,
    );
    expect(() => advertisedAddress({ advertise: 'fe80::1%eth0', bindHost: '::', port: 4_000, env: {} })).toThrow(
      /^advertise: /,
    );
  });
});
