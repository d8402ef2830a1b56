import { describe, expect, it } from 'vitest';

import { Endpoint } from '../../../lib/balancing/endpoint.js';
import { roundRobin } from '../../../lib/balancing/round-robin.js';
import { RegistryError, RookeryError } from '../../../lib/core/errors.js';
import { seededRng } from '../../../lib/core/random.js';
import { noSnapshots } from '../../../lib/discovery/snapshot-store.js';
import { Target, type TargetInit } from '../../../lib/discovery/target.js';
import { memoryRegistry } from '../../../lib/registry/memory-registry.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { ids, order, orders } from './support/instances.js';
import { MemorySnapshots } from './support/memory-snapshots.js';
import { ScriptedRegistry, unreachable } from './support/scripted-registry.js';

function setUp(init: Partial<TargetInit<Endpoint>> = {}) {
  const clock = new FakeClock();
  const registry = new ScriptedRegistry();
  const removed: string[] = [];
  const shared = {
    registry,
    clock,
    rng: seededRng(1),
    callerId: 'caller',
    balancer: roundRobin(),
    snapshots: noSnapshots,
    probe: () => Promise.resolve(true),
    createEndpoint: (instance: Endpoint['instance'], nowMs: number) => new Endpoint(instance, nowMs),
    onEndpointRemoved: ({ instanceId }: Endpoint) => removed.push(instanceId),
    ...init,
  };
  const target = new Target({ ...shared, serviceName: 'orders' });
  return { clock, registry, removed, shared, target };
}

function refusal(target: Target, excluded: readonly Endpoint[] = []): RookeryError {
  try {
    target.pick({ excluded });
  } catch (error) {
    if (RookeryError.is(error)) return error;
  }
  throw new Error('expected a RookeryError');
}

describe('Target', () => {
  it('follows nothing before it is opened, and once however often', () => {
    const { registry, target } = setUp();
    expect(registry.watches.size).toBe(0);
    target.open();
    target.open();
    expect(registry.watches.size).toBe(1);
    target.close();
    expect(registry.watches.size).toBe(0);
  });

  it('picks live endpoints of what the registry lists, and accounts for them', async () => {
    const registry = memoryRegistry();
    const { target, clock } = setUp({ registry });
    for (const instance of orders(3)) await registry.register(instance);
    target.open();
    await target.whenSettled();
    expect(target.isSettled).toBe(true);
    const picks = [target.pick({}), target.pick({}), target.pick({})];
    expect(ids(picks)).toEqual(['o1', 'o2', 'o3']);
    for (const endpoint of picks) {
      expect(endpoint.inFlight).toBe(1);
      target.done(endpoint, { result: 'success', latencyMs: 3, nowMs: clock.now() });
      expect(endpoint.inFlight).toBe(0);
    }
    target.close();
    await registry.close();
  });

  it('passes on who cannot be reached, and who said goodbye', () => {
    const { registry, removed, target } = setUp();
    target.open();
    registry.list(orders(2));
    const [first, second] = target.endpoints;
    target.setReachable(first!, false);
    expect(target.pick({})).toBe(second);
    target.confirmGone('o2');
    expect(removed).toEqual(['o2']);
    expect(target.pick({})).toBe(first);
    target.close();
    expect(removed).toEqual(['o2', 'o1']);
  });

  it('keeps its endpoints, the same objects, while the registry is away', () => {
    const { registry, target } = setUp();
    target.open();
    registry.list(orders(2));
    const before = target.endpoints;
    registry.fail();
    registry.list(orders(2));
    expect(target.endpoints).toEqual(before);
    target.close();
  });

  it('tells an absent service, where it looked, and what to do', () => {
    const { registry, target } = setUp({ query: { version: '2.0.0' } });
    target.open();
    registry.list([]);
    const error = refusal(target);
    expect(error).toMatchObject({ reason: 'NO_INSTANCE', outcome: 'never-sent', service: 'orders' });
    expect(error.message).toBe(
      'no instance of "orders" in scripted; start one, or check the name' +
        ' (asked for namespaceId "public", groupName "default", version "2.0.0")',
    );
    target.close();
  });

  it('tells a registry that cannot be reached, and why', async () => {
    const { registry, target } = setUp();
    target.open();
    registry.fail();
    await target.whenSettled();
    const error = refusal(target);
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ reason: 'REGISTRY_UNREACHABLE', service: 'orders', cause: unreachable });
    expect(error.message).toMatch(/^scripted does not answer, .*"orders".*start the registry.*ECONNREFUSED$/);
    target.close();
  });

  it('tells a registry that has not answered yet', () => {
    const { target } = setUp();
    target.open();
    expect(refusal(target)).toMatchObject({ reason: 'REGISTRY_UNREACHABLE', message: expect.stringContaining('yet') });
    target.close();
  });

  it('needs no registry where there is a list on disk', async () => {
    const { registry, target } = setUp({ snapshots: new MemorySnapshots(orders(1)) });
    target.open();
    registry.fail();
    await target.whenSettled();
    expect(target.pick({}).instanceId).toBe('o1');
    target.close();
  });

  it('tells instances that take no calls, and in which state they are', () => {
    const { registry, target } = setUp();
    target.open();
    registry.list([order(1, { status: 'draining' }), order(2, { enabled: false }), order(3, { enabled: false })]);
    expect(refusal(target)).toMatchObject({
      reason: 'NO_INSTANCE',
      message: expect.stringMatching(/of 3 known, none takes calls \(1 draining, 2 disabled\)/),
    });
    target.close();
  });

  it('doubts a registry that calls most instances unhealthy, and believes one that calls some so', () => {
    const { registry, target } = setUp();
    target.open();
    registry.list([order(1, { healthy: false }), order(2, { healthy: false }), order(3)]);
    expect(target.endpoints).toHaveLength(3);
    registry.list([order(1, { healthy: false }), order(2), order(3)]);
    expect(target.endpoints.map(({ instanceId }) => instanceId)).toEqual(['o2', 'o3']);
    target.close();
  });

  it('tells that all were tried, or have weight 0', () => {
    const { registry, target } = setUp();
    target.open();
    registry.list(orders(2));
    expect(refusal(target, target.endpoints)).toMatchObject({
      reason: 'NO_INSTANCE',
      message: expect.stringMatching(/of 2 known, those that take calls \(2\) were all tried/),
    });
    registry.list([order(1, { weight: 0 })]);
    expect(refusal(target).message).toMatch(/all have weight 0/);
    target.close();
  });

  it('refuses calls after close, and lets go of who waits', async () => {
    const { clock, target } = setUp();
    target.open();
    const settled = target.whenSettled();
    target.close();
    target.close();
    await settled;
    expect(refusal(target)).toMatchObject({ reason: 'CLIENT_CLOSED' });
    expect(clock.pending).toBe(0);
  });
});
