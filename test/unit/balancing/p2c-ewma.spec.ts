import { describe, expect, it } from 'vitest';

import { p2cEwma } from '../../../lib/balancing/p2c-ewma.js';
import { misfit } from './support/chi-square.js';
import { Client, even, instance, instances } from './support/fixture.js';

function shares(counts: Record<string, number>): Record<string, number> {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / total]));
}

/** So many calls that none of a few endpoints is ever idle. */
const BUSY = { everyMs: 5, forMs: 60_000 };

describe('among endpoints that are equally fast', () => {
  it('shares evenly', () => {
    const counts = new Client(p2cEwma()).with(instances(even(8))).calls(80_000);
    expect(misfit(Object.values(counts), even(8))).toBeLessThan(1);
  });

  it('shares by weight', () => {
    const counts = new Client(p2cEwma()).with(instances([5, 3, 2, 1])).calls(80_000);
    expect(misfit(Object.values(counts), [5, 3, 2, 1])).toBeLessThan(1);
  });

  it('gives a heavy one more calls in flight, by its weight', () => {
    const client = new Client(p2cEwma()).with(instances([4, 1, 1]));
    for (let calls = 0; calls < 600; calls++) client.pick();
    const [a, b, c] = client.set.endpoints;
    expect(a!.inFlight).toBeGreaterThan(380);
    expect(a!.inFlight).toBeLessThan(420);
    expect(Math.abs(b!.inFlight - c!.inFlight)).toBeLessThan(10);
  });

  it('keeps calls in flight within a few of each other', () => {
    const client = new Client(p2cEwma()).with(instances(even(100)));
    for (let calls = 0; calls < 10_000; calls++) client.pick();
    const loads = client.set.endpoints.map((endpoint) => endpoint.inFlight);
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThan(10);
  });
});

describe('a slow endpoint', () => {
  it('gets hardly any calls', () => {
    const client = new Client(p2cEwma()).with(instances(even(3)));
    const counts = client.traffic({ ...BUSY, latencyMs: ({ instanceId }) => (instanceId === 'a' ? 200 : 2) });
    expect(shares(counts)['a']).toBeLessThan(0.01);
  });

  it('is still tried about once a second, and gets its share back once it is fast', () => {
    const client = new Client(p2cEwma()).with(instances(even(3)));
    let slowMs = 200;
    const latencyMs = ({ instanceId }: { instanceId: string }) => (instanceId === 'a' ? slowMs : 2);
    const trials = client.traffic({ ...BUSY, latencyMs })['a']!;
    expect(trials).toBeGreaterThan(30);
    slowMs = 2;
    client.traffic({ ...BUSY, latencyMs });
    expect(shares(client.traffic({ ...BUSY, latencyMs }))['a']).toBeGreaterThan(0.3);
  });

  it('that does not answer at all is tried with one call at a time', () => {
    const client = new Client(p2cEwma()).with(instances(even(3)));
    client.traffic({ ...BUSY, latencyMs: () => 2 });
    const counts = client.traffic({ ...BUSY, latencyMs: ({ instanceId }) => (instanceId === 'a' ? 1e9 : 2) });
    expect(counts['a']).toBeLessThanOrEqual(2);
  });
});

describe('a new endpoint', () => {
  const latencyMs = () => 20;

  it('gets its share', () => {
    const client = new Client(p2cEwma()).with(instances(even(4)));
    client.traffic({ ...BUSY, latencyMs });
    client.with([...instances(even(4)), instance('new')]);
    const share = shares(client.traffic({ everyMs: 5, forMs: 2_000, latencyMs }))['new']!;
    expect(share).toBeGreaterThan(0.12);
    expect(share).toBeLessThan(0.28);
  });

  it('that swallows its calls gets few', () => {
    const client = new Client(p2cEwma()).with(instances(even(4)));
    client.traffic({ ...BUSY, latencyMs });
    client.with([...instances(even(4)), instance('new')]);
    const swallowed = client.traffic({ ...BUSY, latencyMs: (it) => (it.instanceId === 'new' ? 1e9 : 20) })['new']!;
    expect(swallowed).toBeGreaterThan(0);
    expect(swallowed).toBeLessThan(10);
  });
});

it('leaves a canary at about its weight, even if it is the fastest', () => {
  const client = new Client(p2cEwma()).with(instances([99, 1]));
  const counts = client.traffic({ ...BUSY, latencyMs: ({ instanceId }) => (instanceId === 'b' ? 1 : 4) });
  expect(shares(counts)['b']).toBeGreaterThan(0.005);
  expect(shares(counts)['b']).toBeLessThan(0.035);
});

it('forgets a bad latency where calls are so rare that everybody is idle', () => {
  const client = new Client(p2cEwma()).with(instances(even(2)));
  const rare = { everyMs: 10_000, forMs: 100 * 10_000 };
  const counts = client.traffic({ ...rare, latencyMs: ({ instanceId }) => (instanceId === 'a' ? 500 : 5) });
  expect(counts['a']).toBeGreaterThan(5);
  expect(counts['a']).toBeLessThan(50);
});

it('does not prefer who is only a little faster', () => {
  const client = new Client(p2cEwma()).with(instances(even(3)));
  const latencies = { a: 2, b: 2.2, c: 2.4 };
  const counts = client.traffic({ ...BUSY, latencyMs: ({ instanceId }) => latencies[instanceId as 'a'] });
  expect(misfit(Object.values(counts), even(3))).toBeLessThan(1);
});

it('counts load even where calls take no time', () => {
  const client = new Client(p2cEwma()).with(instances(even(2)));
  client.get('a').latency.add(0, client.clock.now());
  client.get('b').latency.add(0.04, client.clock.now());
  for (let calls = 0; calls < 100; calls++) client.pick();
  expect(client.get('a').inFlight).toBe(50);
});

it('never picks who is excluded while another is left', () => {
  const client = new Client(p2cEwma()).with(instances([1, 1, 50]));
  for (let calls = 0; calls < 200; calls++) {
    expect(client.pick([client.get('c'), client.get('a')])).toBe('b');
    expect(client.pick([client.get('c')])).not.toBe('c');
  }
  expect(client.pick([...client.set.endpoints])).toBeUndefined();
});

it('refuses options that make no sense', () => {
  expect(() => p2cEwma({ idle: 'soon' })).toThrow(/balancer\.idle/);
  expect(() => p2cEwma({ idle: 0 })).toThrow(/balancer\.idle/);
});
