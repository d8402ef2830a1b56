import { beforeEach, describe, expect, it } from 'vitest';

import { RegistryError } from '../../../lib/core/errors.js';
import { compositeRegistry } from '../../../lib/registry/composite-registry.js';
import { memoryRegistry } from '../../../lib/registry/memory-registry.js';
import type { Resolution, ServiceRegistry } from '../../../lib/registry/service-registry.js';
import { staticRegistry } from '../../../lib/registry/static-registry.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { ScriptedRegistry } from './scripted-registry.js';
import { idsOf, someInstance } from './some-instance.js';

const away = new RegistryError('REGISTRY_UNREACHABLE', 'away');

describe('compositeRegistry', () => {
  let a: ScriptedRegistry;
  let b: ScriptedRegistry;
  let both: ServiceRegistry;
  const instance = someInstance();

  beforeEach(() => {
    [a, b] = [new ScriptedRegistry('a', 15_000), new ScriptedRegistry('b', 9_000)];
    both = compositeRegistry([a, b]);
  });

  it('is named after its registries, and has the shortest of their leases', () => {
    expect(both.name).toBe('a+b');
    expect(both.leaseTtlMs).toBe(9_000);
    expect(compositeRegistry([new ScriptedRegistry('c')]).leaseTtlMs).toBeUndefined();
  });

  it.each([
    ['no list', undefined, undefined, /^compositeRegistry:/],
    ['an empty list', [], undefined, /^compositeRegistry:/],
    ['an unknown mode', [memoryRegistry()], 'all', /^compositeRegistry\.mode:/],
  ])('refuses %s', (_, registries, mode, message) => {
    expect(() => compositeRegistry(registries as ServiceRegistry[], { mode: mode as 'union' })).toThrow(message);
  });

  describe('writes', () => {
    it.each(['register', 'deregister', 'renew'] as const)('%s to all', async (call) => {
      await both[call](instance);
      expect([a.calls, b.calls]).toEqual([[call], [call]]);
    });

    it.each(['register', 'deregister', 'renew'] as const)('%s: well, where one registry took it', async (call) => {
      a.mood = 'REGISTRY_UNREACHABLE';
      await both[call](instance);
      expect(b.calls).toEqual([call]);
    });

    it.each(['register', 'deregister', 'renew'] as const)('%s: fails, where all did', async (call) => {
      a.mood = 'REGISTRY_DENIED';
      b.mood = 'REGISTRY_UNREACHABLE';
      const failure = both[call](instance);
      await expect(failure).rejects.toMatchObject({ reason: 'REGISTRY_DENIED', message: /a says .*; b says / });
    });

    it('nothing to read-only registries, which take anything', async () => {
      const list = new ScriptedRegistry('list', undefined, true);
      const composite = compositeRegistry([list, a]);
      a.mood = 'REGISTRY_UNREACHABLE';
      await expect(composite.register(instance)).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
      expect(list.calls).toEqual([]);
      expect(composite.isReadOnly).toBe(false);
    });

    it('nothing at all where all are read-only', async () => {
      const composite = compositeRegistry([staticRegistry({}), staticRegistry({})]);
      expect(composite.isReadOnly).toBe(true);
      await composite.register(instance);
      await composite.renew(instance);
      await composite.deregister(instance);
    });
  });

  describe('renews', () => {
    it('and registers again where one registry lost the instance and the other has it', async () => {
      b.moods = { renew: 'LEASE_LOST' };
      await both.renew(instance);
      await turn();
      expect(b.calls).toEqual(['renew', 'register']);
      expect(a.calls).toEqual(['renew']);
    });

    it('and so makes good a registration that one registry missed', async () => {
      const clock = new FakeClock();
      const members = [memoryRegistry({ ttl: 1_000, clock }), memoryRegistry({ ttl: 1_000, clock })];
      await members[0]!.register(instance); // as if the other one had been away
      await compositeRegistry(members).renew(instance);
      await turn();
      expect(await members[1]!.getInstances('orders')).toEqual([instance]);
    });

    it('and tries again with the next heartbeat where that is refused', async () => {
      b.moods = { renew: 'LEASE_LOST', register: 'REGISTRY_UNREACHABLE' };
      await both.renew(instance);
      await turn();
      await both.renew(instance);
      await turn();
      expect(b.calls).toEqual(['renew', 'register', 'renew', 'register']);
    });

    it('and says LEASE_LOST where all lost it, or the others do not answer, leaving it to the registrar to register', async () => {
      a.mood = 'REGISTRY_UNREACHABLE';
      b.moods = { renew: 'LEASE_LOST' };
      await expect(both.renew(instance)).rejects.toMatchObject({ reason: 'LEASE_LOST' });
      await turn();
      expect(b.calls).toEqual(['renew']);
    });

    it('in time, also while one registry hangs; that one is left alone until it has answered', async () => {
      b.moods = { renew: 'hang' };
      for (let beat = 0; beat < 3; beat++) await both.renew(instance);
      expect(a.calls).toEqual(['renew', 'renew', 'renew']);
      expect(b.calls).toEqual(['renew']);
      b.moods = {};
      b.answer();
      await turn();
      await both.renew(instance);
      await turn();
      expect(b.calls).toEqual(['renew', 'renew']);
    });

    it('and cannot bring back what is deregistered meanwhile', async () => {
      b.moods = { renew: 'hang', register: undefined };
      await both.renew(instance);
      const leaving = both.deregister(instance);
      await turn();
      expect(b.calls).toEqual(['renew']);
      b.answer();
      await leaving;
      await turn();
      expect(b.calls).toEqual(['renew', 'deregister']);
    });
  });

  describe('watches', () => {
    it('and tells the union, once all is known that can be', async () => {
      const states = statesOf(both);
      const [one, two] = [someInstance(), someInstance()];
      a.tell({ state: 'absent' });
      await turn();
      expect(states).toEqual([]);
      b.tell({ state: 'found', instances: [one] });
      await turn();
      a.tell({ state: 'found', instances: [two] });
      await turn();
      expect(states).toEqual([one.instanceId, `${two.instanceId} ${one.instanceId}`]);
    });

    it('and never lets the list shrink for a registry that fails', async () => {
      const states = statesOf(both);
      a.tell({ state: 'found', instances: [someInstance({ instanceId: 'of-a' })] });
      b.tell({ state: 'found', instances: [someInstance({ instanceId: 'of-b' })] });
      await turn();
      a.tell({ state: 'failed', error: away });
      await turn();
      b.tell({ state: 'absent' });
      await turn();
      a.tell({ state: 'absent' });
      await turn();
      expect(states).toEqual(['of-a of-b', 'of-b of-a', 'of-a', 'absent']);
    });

    it('and tells `failed` when the last registry has failed, and the list again when one comes back', async () => {
      const states = statesOf(both);
      const here: Resolution = { state: 'found', instances: [someInstance({ instanceId: 'of-a' })] };
      a.tell(here);
      b.tell({ state: 'absent' });
      await turn();
      b.tell({ state: 'failed', error: away });
      await turn();
      a.tell({ state: 'failed', error: away });
      await turn();
      a.tell(here);
      await turn();
      expect(states).toEqual(['of-a', 'failed', 'of-a']);
    });

    it('and lets go of all registries, on request and at close', async () => {
      const states = statesOf(both);
      const stop = both.watchInstances('orders', () => {});
      stop();
      stop();
      expect([a.listeners.size, b.listeners.size]).toEqual([1, 1]);
      a.tell({ state: 'absent' });
      b.tell({ state: 'absent' });
      await both.close();
      await turn();
      expect([a.listeners.size, b.listeners.size]).toEqual([0, 0]);
      expect(states).toEqual([]);
      expect(a.calls).toEqual(['close']);
    });
  });

  describe('reads', () => {
    it('the union, in the order of the registries', async () => {
      a.instances = [someInstance({ instanceId: 'x', weight: 1 })];
      b.instances = [someInstance({ instanceId: 'x', weight: 2 }), someInstance({ instanceId: 'y' })];
      const instances = await both.getInstances('orders');
      expect(idsOf(instances)).toEqual(['x', 'y']);
      expect(instances[0]?.weight).toBe(1);
    });

    it('the first registry that has any, in `first` mode', async () => {
      const first = compositeRegistry([a, b], { mode: 'first' });
      b.instances = [someInstance({ instanceId: 'fallback' })];
      expect(idsOf(await first.getInstances('orders'))).toEqual(['fallback']);
      a.instances = [someInstance({ instanceId: 'main' })];
      expect(idsOf(await first.getInstances('orders'))).toEqual(['main']);
    });

    it('what one registry knows, where the other does not answer', async () => {
      a.mood = 'REGISTRY_UNREACHABLE';
      b.instances = [someInstance({ instanceId: 'y' })];
      expect(idsOf(await both.getInstances('orders'))).toEqual(['y']);
      expect(await both.listServices()).toEqual(['orders']);
    });

    it('nothing, and fails, where the one that does not answer might know better', async () => {
      a.mood = 'REGISTRY_UNREACHABLE';
      await expect(both.getInstances('orders')).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
      expect(await both.listServices()).toEqual([]);
      b.mood = 'REGISTRY_UNREACHABLE';
      await expect(both.listServices()).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
    });
  });

  it('closes every registry, also after one that would not close', async () => {
    a.mood = 'REGISTRY_UNREACHABLE';
    await expect(both.close()).rejects.toThrow('a says');
    expect(b.calls).toEqual(['close']);
  });

  it('takes what an adapter throws besides our errors for an outage', async () => {
    const broken = Object.assign(new ScriptedRegistry('broken'), {
      register: () => Promise.reject(new TypeError('oops')),
    });
    const failure = compositeRegistry([broken]).register(instance);
    await expect(failure).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE', message: /^broken: .*oops/ });
  });
});

function statesOf(registry: ServiceRegistry): string[] {
  const states: string[] = [];
  registry.watchInstances('orders', (resolution) => {
    states.push(resolution.state === 'found' ? idsOf(resolution.instances).join(' ') : resolution.state);
  });
  return states;
}

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}
