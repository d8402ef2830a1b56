import { describe, expect, it } from 'vitest';

import { ConfigurationError } from '../../../lib/core/errors.js';
import { isAnonymous } from '../../../lib/core/instance.js';
import { staticRegistry, type StaticInstances } from '../../../lib/registry/static-registry.js';
import { someInstance } from './some-instance.js';

describe('staticRegistry', () => {
  it('reads addresses and records', async () => {
    const registry = staticRegistry({
      orders: [
        '10.0.0.1:4000',
        ' [::1]:4001 ',
        'orders-3.internal:4002',
        ':4003',
        { ip: '10.0.0.2', port: 1, weight: 3 },
      ],
    });
    const instances = await registry.getInstances('orders');
    expect(instances.map(({ ip, port, weight }) => [ip, port, weight])).toEqual([
      ['10.0.0.1', 4000, 1],
      ['::1', 4001, 1],
      ['orders-3.internal', 4002, 1],
      ['127.0.0.1', 4003, 1],
      ['10.0.0.2', 1, 3],
    ]);
    expect(instances.every((instance) => instance.serviceName === 'orders' && isAnonymous(instance))).toBe(true);
    expect(instances[1]?.instanceId).toBe('[::1]:4001');
  });

  it('has the service name of its key, whatever the record says', async () => {
    const record = { ip: '10.0.0.1', port: 1, serviceName: 'other' };
    expect(await staticRegistry({ orders: [record] }).listServices()).toEqual(['orders']);
  });

  it('lets the same address serve several services', async () => {
    const registry = staticRegistry({ orders: ['10.0.0.1:1'], bills: ['10.0.0.1:1'] });
    expect(await registry.getInstances('bills')).toHaveLength(1);
  });

  it('knows services without instances as absent', async () => {
    const registry = staticRegistry({ orders: [] });
    expect(await registry.listServices()).toEqual([]);
    expect(await registry.getInstances('orders')).toEqual([]);
  });

  it('ignores what is registered, renewed and deregistered', async () => {
    const registry = staticRegistry({ orders: ['10.0.0.1:4000'] });
    const [listed] = await registry.getInstances('orders');
    await registry.register(someInstance());
    await registry.renew(someInstance());
    await registry.deregister(listed!);
    expect(await registry.getInstances('orders')).toEqual([listed]);
    expect(registry.isReadOnly).toBe(true);
  });

  it('tells a watcher once, and nobody after close', async () => {
    const registry = staticRegistry({ orders: ['10.0.0.1:4000'] });
    const states: string[] = [];
    registry.watchInstances('orders', ({ state }) => states.push(state));
    await new Promise(setImmediate);
    registry.watchInstances('orders', ({ state }) => states.push(`late ${state}`));
    await registry.close();
    await new Promise(setImmediate);
    expect(states).toEqual(['found']);
  });

  it.each<[unknown, string]>([
    [undefined, 'staticRegistry: expected an object of lists'],
    [['10.0.0.1:1'], 'staticRegistry: expected an object of lists'],
    [{ orders: '10.0.0.1:1' }, 'staticRegistry.orders: expected a list of addresses'],
    [{ orders: ['10.0.0.1:1', '10.0.0.2'] }, 'staticRegistry.orders[1]: expected '],
    [{ orders: ['::1:4000'] }, 'staticRegistry.orders[0]: expected '],
    [{ orders: ['http://10.0.0.1:4000'] }, 'staticRegistry.orders[0]: expected '],
    [{ orders: ['10.0.0.1:0'] }, 'port: expected 1 to 65535'],
    [{ orders: ['10.0.0.1:99999'] }, 'staticRegistry.orders[0]: expected '],
    [{ orders: ['999.0.0.1:4000'] }, 'ip: expected an address or host name'],
    [{ orders: [null] }, 'staticRegistry.orders[0]: expected '],
    [{ orders: [4000] }, 'staticRegistry.orders[0]: expected '],
    [{ orders: [{ port: 4000 }] }, 'ip: expected an address'],
    [{ orders: [{ ip: '10.0.0.1', port: 1, weight: -1 }] }, 'weight: expected 0 to'],
    [
      { orders: ['10.0.0.1:1', ' 10.0.0.1:1'] },
      'staticRegistry.orders[1]: expected another instance than staticRegistry.orders[0]',
    ],
    [{ '': ['10.0.0.1:1'] }, 'serviceName: expected a non-empty string'],
  ])('refuses %j', (instances, message) => {
    const parse = () => staticRegistry(instances as StaticInstances);
    expect(parse).toThrow(ConfigurationError);
    expect(parse).toThrow(
      expect.objectContaining({ reason: 'OPTION_INVALID', message: expect.stringContaining(message) }),
    );
  });
});
