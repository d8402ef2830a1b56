import { describe, expect, it } from 'vitest';

import { memoryRegistry } from '../../../lib/registry/memory-registry.js';
import type { Resolution } from '../../../lib/registry/service-registry.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { someInstance } from './some-instance.js';

const TTL_MS = 15_000;

describe('memoryRegistry', () => {
  it('lets an instance expire that nobody renews, and tells watchers', async () => {
    const clock = new FakeClock();
    const registry = memoryRegistry({ ttl: '15s', clock });
    const states = statesHeard(registry);
    await registry.register(someInstance());
    await clock.advanceAsync(TTL_MS - 1);
    expect(await registry.getInstances('orders')).toHaveLength(1);
    await clock.advanceAsync(1);
    expect(await registry.getInstances('orders')).toEqual([]);
    expect(states).toEqual(['found', 'absent']);
  });

  it('keeps an instance that is renewed', async () => {
    const clock = new FakeClock();
    const registry = memoryRegistry({ ttl: TTL_MS, clock });
    const instance = someInstance();
    await registry.register(instance);
    for (let beat = 0; beat < 10; beat++) {
      clock.advance(TTL_MS - 1);
      await registry.renew(instance);
    }
    expect(await registry.getInstances('orders')).toEqual([instance]);
  });

  it('has no lease without a ttl: renewing is free for those it knows, and LEASE_LOST for others', async () => {
    const clock = new FakeClock();
    const registry = memoryRegistry({ clock });
    const instance = someInstance();
    await registry.register(instance);
    await registry.renew(instance);
    expect(registry.leaseTtlMs).toBeUndefined();
    expect(clock.pending).toBe(0);
    await expect(registry.renew(someInstance())).rejects.toMatchObject({ reason: 'LEASE_LOST' });
  });

  it('tells watchers once of many changes in one turn, the newest state', async () => {
    const registry = memoryRegistry();
    const heard: Resolution[] = [];
    registry.watchInstances('orders', (resolution) => heard.push(resolution));
    await Promise.all(Array.from({ length: 100 }, () => registry.register(someInstance())));
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({ state: 'found', instances: { length: 100 } });
  });

  it('does not wake a watcher whose instances did not change', async () => {
    const registry = memoryRegistry();
    const east = statesHeard(registry, { clusterName: 'east' });
    await registry.register(someInstance({ clusterName: 'east' }));
    await registry.register(someInstance({ clusterName: 'west' }));
    await registry.register(someInstance({ clusterName: 'west' }));
    expect(east).toEqual(['found']);
  });

  it('holds as many instances as it may, and says so with REGISTRY_FULL', async () => {
    const registry = memoryRegistry({ maxInstances: 1 });
    await registry.register(someInstance());
    await expect(registry.register(someInstance())).rejects.toMatchObject({
      reason: 'REGISTRY_FULL',
      code: 'RESOURCE_EXHAUSTED',
    });
  });

  it('leaves no timer after close', async () => {
    const clock = new FakeClock();
    const registry = memoryRegistry({ ttl: TTL_MS, clock });
    await registry.register(someInstance());
    expect(clock.pending).toBe(1);
    await registry.close();
    expect(clock.pending).toBe(0);
  });

  it('shares its instances with the clients that connect, until the last one is closed', async () => {
    const clock = new FakeClock();
    const registry = memoryRegistry({ ttl: TTL_MS, clock });
    const other = registry.connect();
    const instance = someInstance();
    await registry.register(instance);
    await registry.close();
    expect(await other.getInstances('orders')).toEqual([instance]);
    expect(clock.pending).toBe(1);
    await other.close();
    expect(clock.pending).toBe(0);
  });

  it('refuses every call after close, and tells late watchers', async () => {
    const registry = memoryRegistry();
    await registry.close();
    const instance = someInstance();
    const calls = [
      registry.register(instance),
      registry.deregister(instance),
      registry.renew(instance),
      registry.getInstances('orders'),
      registry.listServices(),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' });
    expect(() => registry.connect()).toThrow(expect.objectContaining({ reason: 'CLIENT_CLOSED' }));
    const states = statesHeard(registry);
    await Promise.resolve();
    expect(states).toEqual(['failed']);
  });

  it.each([
    [{ ttl: '5 parsecs' }, 'memoryRegistry.ttl'],
    [{ ttl: 0 }, 'memoryRegistry.ttl'],
    [{ maxInstances: 0 }, 'memoryRegistry.maxInstances'],
    [{ maxInstances: 1.5 }, 'memoryRegistry.maxInstances'],
  ])('refuses %o, naming %s', (options, path) => {
    expect(() => memoryRegistry(options)).toThrow(expect.objectContaining({ message: expect.stringContaining(path) }));
  });
});

function statesHeard(registry: ReturnType<typeof memoryRegistry>, query = {}): string[] {
  const states: string[] = [];
  registry.watchInstances('orders', ({ state }) => states.push(state), query);
  return states;
}
