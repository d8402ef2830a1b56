import { describe, expect, it } from 'vitest';

import type { ServiceInstance } from '../../../lib/core/instance.js';
import { InstanceTable, type InstanceEvent, type InstanceTableOptions } from '../../../lib/registry/instance-table.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { idsOf, someInstance } from './some-instance.js';

const TTL_MS = 15_000;

describe('InstanceTable', () => {
  describe('tells what happened', () => {
    it('registered, for a new instance', () => {
      const { table, events } = watchedTable();
      const instance = someInstance();
      table.upsert(instance);
      expect(events).toEqual([{ type: 'registered', instance }]);
    });

    it('nothing, for the same record again', () => {
      const { table, events } = watchedTable();
      const instance = someInstance({ metadata: { a: '1' } });
      table.upsert(instance);
      table.upsert({ ...instance, metadata: { a: '1' } });
      expect(typesOf(events)).toEqual(['registered']);
    });

    it('updated, for another record of the same id', () => {
      const { table, events } = watchedTable();
      const instance = someInstance();
      table.upsert(instance);
      table.upsert({ ...instance, weight: 5 });
      expect(events.at(-1)).toEqual({ type: 'updated', instance: { ...instance, weight: 5 } });
    });

    it('unhealthy and healthy, where only that changed', () => {
      const { table, events } = watchedTable();
      const instance = someInstance();
      table.upsert(instance);
      table.upsert({ ...instance, healthy: false });
      table.upsert(instance);
      expect(typesOf(events)).toEqual(['registered', 'unhealthy', 'healthy']);
    });

    it('both, where both changed', () => {
      const { table, events } = watchedTable();
      const instance = someInstance();
      table.upsert(instance);
      table.upsert({ ...instance, weight: 2, healthy: false });
      expect(typesOf(events)).toEqual(['registered', 'updated', 'unhealthy']);
    });

    it('deregistered, once', () => {
      const { table, events } = watchedTable();
      const instance = someInstance();
      table.upsert(instance);
      expect(table.remove(instance)).toBe(true);
      expect(table.remove(instance)).toBe(false);
      expect(typesOf(events)).toEqual(['registered', 'deregistered']);
    });

    it('expired, when the lease ends', () => {
      const { table, events, clock } = watchedTable({ ttlMs: TTL_MS });
      table.upsert(someInstance());
      clock.advance(TTL_MS);
      expect(typesOf(events)).toEqual(['registered', 'expired']);
      expect(table.query('orders')).toEqual([]);
    });

    it('to the watchers of the service, and to those of everything', () => {
      const table = new InstanceTable();
      const heard: string[] = [];
      table.subscribe(({ type }) => heard.push(`orders ${type}`), 'orders');
      table.subscribe(({ type }) => heard.push(`order ${type}`), 'order');
      table.subscribe(({ type }) => heard.push(`blue ${type}`), 'orders', { namespaceId: 'blue' });
      table.subscribe(({ type }) => heard.push(`all ${type}`));
      table.upsert(someInstance());
      table.upsert(someInstance({ namespaceId: 'blue' }));
      expect(heard).toEqual(['orders registered', 'all registered', 'blue registered', 'all registered']);
    });

    it('after the table has changed, in one order for all, also what listeners cause', () => {
      const table = new InstanceTable();
      const instance = someInstance();
      const heard: string[] = [];
      table.subscribe(({ type }) => {
        if (type !== 'registered') return;
        expect(table.query('orders')).toHaveLength(1);
        table.remove(instance);
      });
      table.subscribe(({ type }) => heard.push(type));
      table.upsert(instance);
      expect(heard).toEqual(['registered', 'deregistered']);
    });

    it('nobody any more after they unsubscribed, or all were closed', () => {
      const { table, events, unsubscribe } = watchedTable({ ttlMs: TTL_MS });
      unsubscribe();
      table.upsert(someInstance());
      expect(events).toEqual([]);
      expect(table.stats().watchers).toBe(0);
    });
  });

  describe('keeps leases', () => {
    it('through renewals and through registering again', () => {
      const { table, clock } = watchedTable({ ttlMs: TTL_MS });
      const [renewed, registered] = [someInstance(), someInstance()];
      table.upsert(renewed);
      table.upsert(registered);
      for (let beat = 0; beat < 10; beat++) {
        clock.advance(TTL_MS - 1);
        table.renew(renewed);
        table.upsert(registered);
      }
      expect(table.stats()).toMatchObject({ instances: 2, expirations: 0 });
    });

    it('and says LEASE_LOST where there is none to keep', () => {
      const { table, clock } = watchedTable({ ttlMs: TTL_MS });
      const instance = someInstance();
      table.upsert(instance);
      clock.advance(TTL_MS);
      expect(() => table.renew(instance)).toThrow(expect.objectContaining({ reason: 'LEASE_LOST', service: 'orders' }));
    });

    it('or none, without a TTL', () => {
      const { table, clock } = watchedTable();
      table.upsert(someInstance());
      clock.advance(365 * 86_400_000);
      expect(table.stats().instances).toBe(1);
      expect(clock.pending).toBe(0);
    });

    it('on one timer, which ends with the last instance and with close', () => {
      const { table, clock } = watchedTable({ ttlMs: TTL_MS });
      const instances = Array.from({ length: 50 }, () => someInstance());
      for (const instance of instances) table.upsert(instance);
      expect(clock.pending).toBe(1);
      for (const instance of instances) table.remove(instance);
      expect(clock.pending).toBe(0);
      table.upsert(someInstance());
      table.close();
      table.close();
      expect(clock.pending).toBe(0);
    });
  });

  describe('knows owners', () => {
    it('and shows what a lost one owned as unhealthy at once, and nobody else', () => {
      const { table, events } = watchedTable({ ttlMs: TTL_MS });
      const [lost, other] = [{}, {}];
      const [mine, alsoMine, theirs] = [someInstance(), someInstance(), someInstance()];
      table.upsert(mine, lost);
      table.upsert(alsoMine, lost);
      table.upsert(theirs, other);
      table.markOwnerLost(lost);
      expect(typesOf(events).slice(3)).toEqual(['unhealthy', 'unhealthy']);
      expect(idsOf(table.query('orders', { healthyOnly: true }))).toEqual([theirs.instanceId]);
      expect(table.query('orders')).toHaveLength(3);
      expect(table.stats()).toMatchObject({ instances: 3, healthy: 1 });
    });

    it('and shows it healthy again when somebody renews it', () => {
      const { table, events } = watchedTable({ ttlMs: TTL_MS });
      const instance = someInstance();
      const connection = {};
      table.upsert(instance, connection);
      table.markOwnerLost(connection);
      table.renew(instance, {});
      expect(typesOf(events)).toEqual(['registered', 'unhealthy', 'healthy']);
      expect(table.query('orders')).toEqual([instance]);
    });

    it('and shows it healthy again when somebody registers it again, changed or not', () => {
      const { table, events } = watchedTable();
      const instance = someInstance();
      const connection = {};
      table.upsert(instance, connection);
      table.markOwnerLost(connection);
      table.upsert(instance, {});
      expect(typesOf(events)).toEqual(['registered', 'unhealthy', 'healthy']);
    });

    it('and never calls healthy what was registered as unhealthy', () => {
      const { table, events } = watchedTable();
      const instance = someInstance({ healthy: false });
      const connection = {};
      table.upsert(instance, connection);
      table.markOwnerLost(connection);
      table.renew(instance);
      expect(typesOf(events)).toEqual(['registered']);
      expect(table.query('orders')[0]?.healthy).toBe(false);
    });

    it('and lets it expire when nobody does', () => {
      const { table, events, clock } = watchedTable({ ttlMs: TTL_MS });
      const connection = {};
      table.upsert(someInstance(), connection);
      table.markOwnerLost(connection);
      clock.advance(TTL_MS);
      expect(typesOf(events)).toEqual(['registered', 'unhealthy', 'expired']);
    });

    it('and does not blame an old connection for what a new one has taken over', () => {
      const { table, events } = watchedTable();
      const [before, after] = [{}, {}];
      const instance = someInstance();
      table.upsert(instance, before);
      table.renew(instance, after);
      table.markOwnerLost(before);
      expect(typesOf(events)).toEqual(['registered']);
      table.markOwnerLost(after);
      expect(typesOf(events)).toEqual(['registered', 'unhealthy']);
    });

    it('and forgets those that own nothing any more', () => {
      const { table, events } = watchedTable();
      const instance = someInstance();
      const connection = {};
      table.upsert(instance, connection);
      table.remove(instance);
      table.markOwnerLost(connection);
      table.markOwnerLost({});
      expect(typesOf(events)).toEqual(['registered', 'deregistered']);
      expect(table.stats()).toMatchObject({ services: 0, instances: 0 });
    });
  });

  it('tells the same id in two services apart', () => {
    const table = new InstanceTable();
    const orders = someInstance({ instanceId: '10.0.0.1:80' });
    const bills = someInstance({ instanceId: '10.0.0.1:80', serviceName: 'bills' });
    table.upsert(orders);
    table.upsert(bills);
    table.remove(orders);
    expect(table.query('bills')).toEqual([bills]);
  });

  it('keeps a frozen copy, so that a change of what was handed in changes nothing', () => {
    const table = new InstanceTable();
    const instance = { ...someInstance(), metadata: { a: '1' }, tags: ['x'] };
    table.upsert(instance);
    instance.metadata.a = '2';
    instance.tags.push('y');
    const [kept] = table.query('orders');
    expect(kept).toMatchObject({ metadata: { a: '1' }, tags: ['x'] });
    expect(Object.isFrozen(kept)).toBe(true);
  });

  it('refuses a record that breaks the rules', () => {
    const table = new InstanceTable();
    expect(() => table.upsert({ ...someInstance(), port: 0 })).toThrow(
      expect.objectContaining({ reason: 'INSTANCE_INVALID' }),
    );
    expect(table.stats().instances).toBe(0);
  });

  it('refuses more instances than it may hold, still changes those it has, and takes others once some are gone', () => {
    const table = new InstanceTable({ maxInstances: 2 });
    const [one, two] = [someInstance(), someInstance()];
    table.upsert(one);
    table.upsert(two);
    expect(() => table.upsert(someInstance())).toThrow(expect.objectContaining({ reason: 'REGISTRY_FULL' }));
    table.upsert({ ...two, weight: 3 });
    table.remove(one);
    table.upsert(someInstance());
    expect(table.stats().instances).toBe(2);
  });

  it('counts', () => {
    const { table, clock } = watchedTable({ ttlMs: TTL_MS });
    table.subscribe(() => {}, 'orders');
    table.upsert(someInstance());
    clock.advance(TTL_MS);
    table.upsert(someInstance());
    table.upsert(someInstance({ serviceName: 'bills', healthy: false }));
    expect(table.stats()).toEqual({
      services: 2,
      instances: 2,
      healthy: 1,
      watchers: 2,
      registrations: 3,
      expirations: 1,
    });
  });

  it('lists services with instances, by scope, sorted', () => {
    const table = new InstanceTable();
    const gone = someInstance({ serviceName: 'gone' });
    for (const serviceName of ['b', 'a', 'b']) table.upsert(someInstance({ serviceName }));
    table.upsert(someInstance({ serviceName: 'c', groupName: 'g' }));
    table.upsert(gone);
    table.remove(gone);
    expect(table.listServices()).toEqual(['a', 'b']);
    expect(table.listServices({ groupName: 'g' })).toEqual(['c']);
  });

  it('writes as fast to a full table as to an empty one', () => {
    const table = new InstanceTable({ ttlMs: TTL_MS, clock: new FakeClock(), maxInstances: 20_000 });
    const instances = Array.from({ length: 10_000 }, () => someInstance());
    for (const instance of instances) table.upsert(instance);
    const start = performance.now();
    for (let round = 0; round < 5; round++) for (const instance of instances) table.renew(instance);
    // 50,000 renewals; were they linear in the table this would be 500 million steps.
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

function watchedTable(options: InstanceTableOptions = {}) {
  const clock = new FakeClock();
  const table = new InstanceTable({ clock, ...options });
  const events: InstanceEvent[] = [];
  const unsubscribe = table.subscribe((event) => events.push(event));
  return { table, clock, events, unsubscribe };
}

function typesOf(events: readonly { type: string; instance: ServiceInstance }[]): string[] {
  return events.map(({ type }) => type);
}
