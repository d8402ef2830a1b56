import { expect, it } from 'vitest';

import { defaultBalancer } from '../../../lib/balancing/default-balancer.js';
import { misfit } from './support/chi-square.js';
import { Client, even, instance, instances } from './support/fixture.js';

const EIGHT = ['x0', 'x1', 'x2', 'x3', 'y0', 'y1', 'y2', 'y3'].map((name) => instance(name, { zone: name[0]! }));

it('shares calls evenly among equals', () => {
  const counts = new Client(defaultBalancer()).with(instances(even(5))).calls(50_000);
  expect(misfit(Object.values(counts), even(5))).toBeLessThan(1);
});

it('stays in its zone until endpoints there are ejected, and then uses all that are left', () => {
  const client = new Client(defaultBalancer(), { zone: 'x' }).with(EIGHT);
  const home = client.calls(3_000);
  expect(
    Object.entries(home)
      .filter(([, count]) => count > 0)
      .map(([name]) => name),
  ).toEqual(['x0', 'x1', 'x2', 'x3']);
  for (const name of ['x0', 'x1', 'x2']) client.fail(name, 5);
  const { x0, x1, x2, ...left } = client.calls(5_000);
  expect([x0, x1, x2]).toEqual([0, 0, 0]);
  expect(misfit(Object.values(left), even(5))).toBeLessThan(1);
});

it('gives a newcomer a tenth of a share first, and its share once it is warm', () => {
  const client = new Client(defaultBalancer()).with(instances(even(4)));
  client.calls(100);
  client.clock.advance(60_000);
  client.with([...instances(even(4)), instance('new')]);
  // Everybody was idle for a minute and is tried once; that is not what is measured here.
  client.calls(1_000);
  const cold = client.calls(41_000)['new']!;
  expect(cold).toBeGreaterThan(800);
  expect(cold).toBeLessThan(1_200);
  client.clock.advance(30_000);
  client.calls(1_000);
  expect(client.calls(50_000)['new']!).toBeGreaterThan(9_500);
});

it('goes round one that fails everything: callers see few failures', () => {
  const client = new Client(defaultBalancer()).with(instances(even(4)));
  let failures = 0;
  for (let ms = 0; ms < 25_000; ms += 5) {
    client.call((endpoint) => (endpoint.instanceId === 'a' ? (failures++, 'failure') : 'success'));
    client.clock.advance(5);
  }
  expect(failures).toBe(5);
});

it('has no timer and leaves none', () => {
  const client = new Client(defaultBalancer()).with(instances(even(4)));
  client.calls(100, 'failure');
  client.set.close();
  expect(client.clock.pending).toBe(0);
});
