import { expect, it } from 'vitest';

import { withSubset } from '../../../lib/balancing/subset.js';
import { misfit } from './support/chi-square.js';
import { Client, even, instance, instances, RecordingBalancer } from './support/fixture.js';

function client(size: number | undefined, callerId = 'caller-1') {
  const inner = new RecordingBalancer();
  return {
    inner,
    client: new Client(
      withSubset(() => inner, { size }),
      { callerId },
    ),
  };
}

function subset(size: number, listed: Parameters<Client['with']>[0], callerId?: string): string[] {
  const { client: it, inner } = client(size, callerId);
  it.with(listed).pick();
  return inner.list;
}

it('shows so many of the members, in their order', () => {
  const names = subset(5, instances(even(20)));
  expect(names).toHaveLength(5);
  expect(names).toEqual(names.toSorted());
});

it('shows all where they are few', () => {
  expect(subset(5, instances(even(5)))).toHaveLength(5);
  const { client: it, inner } = client(undefined);
  it.with(instances(even(25))).pick();
  expect(inner.list).toHaveLength(20);
});

it('shows a caller the same ones, in whatever order they are listed', () => {
  expect(subset(5, instances(even(20)).toReversed()).toSorted()).toEqual(subset(5, instances(even(20))));
});

it('spreads callers over all members', () => {
  const counts = new Map(instances(even(20)).map((it) => [it.instanceId, 0]));
  for (let caller = 0; caller < 2_000; caller++) {
    for (const name of subset(4, instances(even(20)), `caller-${caller}`)) counts.set(name, counts.get(name)! + 1);
  }
  expect(misfit([...counts.values()], even(20))).toBeLessThan(1);
});

it('replaces only the one that left', () => {
  const before = subset(5, instances(even(20)));
  const after = subset(
    5,
    instances(even(20)).filter((it) => it.instanceId !== before[2]),
  );
  expect(after.filter((name) => before.includes(name))).toHaveLength(4);
});

it('changes by one at most when somebody joins', () => {
  const before = subset(5, instances(even(20)));
  for (let joiner = 0; joiner < 50; joiner++) {
    const after = subset(5, [...instances(even(20)), instance(`joiner-${joiner}`)]);
    expect(after.filter((name) => before.includes(name)).length).toBeGreaterThanOrEqual(4);
  }
});

it('goes beyond the subset for a call that failed at all of it', () => {
  const { client: it, inner } = client(2);
  it.with(instances(even(4))).pick();
  const tried = inner.list.map((name) => it.get(name));
  expect(inner.list).not.toContain(it.pick(tried));
  expect(it.pick([...it.set.endpoints])).toBeUndefined();
});

it('refuses options that make no sense', () => {
  expect(() => client(0)).toThrow(/balancer\.subset\.size/);
});
