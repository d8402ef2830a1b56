import { describe, expect, it } from 'vitest';

import { consistentHash } from '../../../lib/balancing/consistent-hash.js';
import type { Endpoint } from '../../../lib/balancing/endpoint.js';
import { seededRng } from '../../../lib/core/random.js';
import { misfit } from './support/chi-square.js';
import { Client, even, instances } from './support/fixture.js';

const KEYS = Array.from({ length: 20_000 }, (_, index) => `customer-${index}`);

function owner(client: Client, routingKey: string, excluded: readonly Endpoint[] = []): string {
  const endpoint = client.set.pick({ routingKey, excluded })!;
  client.done(endpoint);
  return endpoint.instanceId;
}

function owners(client: Client): Map<string, string> {
  return new Map(KEYS.map((key) => [key, owner(client, key)]));
}

function moved(before: Map<string, string>, after: Map<string, string>): string[] {
  return KEYS.filter((key) => before.get(key) !== after.get(key));
}

describe('where a key belongs', () => {
  it('is the same for every client, whatever the order of its list and its history', () => {
    const one = new Client(consistentHash()).with(instances(even(10)));
    const other = new Client(consistentHash(), { callerId: 'other', rng: seededRng(9) });
    other.with(instances(even(12))).call();
    other.with(instances(even(10)).toReversed());
    expect(moved(owners(one), owners(other))).toEqual([]);
  });

  it('changes for about a share of the keys when somebody joins, and they all go there', () => {
    const client = new Client(consistentHash()).with(instances(even(9)));
    const before = owners(client);
    const after = owners(client.with(instances(even(10))));
    const changed = moved(before, after);
    expect(new Set(changed.map((key) => after.get(key)))).toEqual(new Set(['j']));
    expect(changed.length / KEYS.length).toBeGreaterThan(0.08);
    expect(changed.length / KEYS.length).toBeLessThan(0.12);
  });

  it('changes for the keys of one who leaves, and they go to all the others', () => {
    const client = new Client(consistentHash()).with(instances(even(10)));
    const before = owners(client);
    const after = owners(client.with(instances(even(10)).filter((it) => it.instanceId !== 'd')));
    const changed = moved(before, after);
    expect(new Set(changed.map((key) => before.get(key)))).toEqual(new Set(['d']));
    expect(new Set(changed.map((key) => after.get(key))).size).toBe(9);
  });

  it('follows the weights', () => {
    const client = new Client(consistentHash({ virtualNodes: 4_096 })).with(instances([1, 2, 4]));
    const counts = { a: 0, b: 0, c: 0 };
    for (const name of owners(client).values()) counts[name as keyof typeof counts]++;
    expect(counts.a / KEYS.length).toBeCloseTo(1 / 7, 1);
    expect(counts.c / KEYS.length).toBeCloseTo(4 / 7, 1);
  });

  it('is within a quarter of even', () => {
    const client = new Client(consistentHash()).with(instances(even(10)));
    const counts: Record<string, number> = {};
    for (const name of owners(client).values()) counts[name] = (counts[name] ?? 0) + 1;
    expect(Math.max(...Object.values(counts))).toBeLessThan(1.25 * (KEYS.length / 10));
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(0.75 * (KEYS.length / 10));
  });

  it('does not change while an endpoint warms up', () => {
    const client = new Client(consistentHash()).with(instances(even(10)));
    const before = owners(client);
    client.get('a').warmth = 0.1;
    expect(moved(before, owners(client.with(instances(even(10)))))).toEqual([]);
  });

  it('is the next on the ring for a call that excludes it, and then the one after', () => {
    const client = new Client(consistentHash()).with(instances(even(10)));
    const first = owner(client, 'key');
    const second = owner(client, 'key', [client.get(first)]);
    const third = owner(client, 'key', [client.get(first), client.get(second)]);
    expect(new Set([first, second, third]).size).toBe(3);
    client.with(instances(even(10)).filter((it) => it.instanceId !== first));
    expect(owner(client, 'key')).toBe(second);
    expect(client.set.pick({ routingKey: 'key', excluded: [...client.set.endpoints] })).toBeUndefined();
  });
});

describe('the bound on load', () => {
  it('holds under one hot key: nobody has more than 1.25 times its share', () => {
    const client = new Client(consistentHash()).with(instances(even(10)));
    for (let calls = 1; calls <= 500; calls++) {
      client.set.pick({ routingKey: 'hot' });
      const bound = Math.max(4, Math.ceil((1.25 * calls) / 10));
      for (const endpoint of client.set.endpoints) expect(endpoint.inFlight).toBeLessThanOrEqual(bound);
    }
  });

  it('is a share by weight', () => {
    const client = new Client(consistentHash()).with(instances([8, 1, 1]));
    const ofLight = KEYS.find((key) => owner(client, key) === 'b')!;
    for (let calls = 0; calls < 100; calls++) client.set.pick({ routingKey: ofLight });
    expect(client.get('b').inFlight).toBe(13);
    expect(client.get('c').inFlight).toBeLessThanOrEqual(13);
    expect(client.get('a').inFlight).toBeGreaterThanOrEqual(74);
  });

  it('gives way where the others are excluded', () => {
    const client = new Client(consistentHash()).with(instances(even(2)));
    client.call();
    for (let calls = 0; calls < 20; calls++) {
      const picked = client.balancer.pick({ routingKey: 'hot', excluded: [client.get('a')] }, client.clock.now());
      expect(picked).toBe(client.get('b'));
      picked!.inFlight++;
    }
  });

  it('lets a few calls at once stay where they belong', () => {
    const client = new Client(consistentHash()).with(instances(even(10)));
    const picked = Array.from({ length: 4 }, () => client.set.pick({ routingKey: 'key' })!.instanceId);
    expect(new Set(picked).size).toBe(1);
  });

  it('sends calls home as soon as there is room', () => {
    const client = new Client(consistentHash({ minInFlight: 1 })).with(instances(even(4)));
    const calls = Array.from({ length: 40 }, () => client.set.pick({ routingKey: 'key' })!);
    const home = calls[0]!;
    for (const endpoint of calls) client.done(endpoint);
    expect(owner(client, 'key')).toBe(home.instanceId);
  });

  describe('when members leave with calls in flight', () => {
    /** 80 calls to ten members, of which five have left. */
    function halved() {
      const client = new Client(consistentHash()).with(instances(even(10)));
      const calls = Array.from({ length: 80 }, () => client.set.pick({ routingKey: 'hot' })!);
      client.with(instances(even(5)));
      const isLeft = (endpoint: Endpoint) => client.set.endpoints.includes(endpoint);
      return { client, ended: calls.filter((it) => !isLeft(it)) };
    }

    function expectBound(client: Client): void {
      for (let calls = 0; calls < 200; calls++) client.set.pick({ routingKey: 'hot' });
      const loads = client.set.endpoints.map((endpoint) => endpoint.inFlight);
      const total = loads.reduce((sum, load) => sum + load, 0);
      expect(Math.max(...loads)).toBe(Math.ceil((1.25 * total) / 5));
    }

    it('their calls no longer count', () => {
      expectBound(halved().client);
    });

    it('the end of their calls does not count either', () => {
      const { client, ended } = halved();
      client.pick();
      for (const endpoint of ended) client.done(endpoint);
      expectBound(client);
    });

    it('their calls count again once they are back', () => {
      const client = new Client(consistentHash()).with(instances(even(5)));
      const calls = Array.from({ length: 80 }, () => client.set.pick({ routingKey: 'hot' })!);
      client.set.setReachable(calls[0]!, false);
      client.pick();
      client.set.setReachable(calls[0]!, true);
      client.pick();
      for (const endpoint of calls) client.done(endpoint);
      expectBound(client);
    });
  });
});

it('spreads calls without a key', () => {
  const counts = new Client(consistentHash()).with(instances(even(5))).calls(20_000);
  expect(misfit(Object.values(counts), even(5))).toBeLessThan(1);
});

it('takes an empty key for a key', () => {
  const client = new Client(consistentHash()).with(instances(even(5)));
  expect(new Set(Array.from({ length: 20 }, () => owner(client, ''))).size).toBe(1);
});

it('refuses options that make no sense', () => {
  expect(() => consistentHash({ virtualNodes: 0 })).toThrow(/balancer\.virtualNodes/);
  expect(() => consistentHash({ maxLoad: 1 })).toThrow(/balancer\.maxLoad/);
  expect(() => consistentHash({ minInFlight: 1.5 })).toThrow(/balancer\.minInFlight/);
});
