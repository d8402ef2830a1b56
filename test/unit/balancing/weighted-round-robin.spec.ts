import { describe, expect, it } from 'vitest';

import { weightedRoundRobin } from '../../../lib/balancing/weighted-round-robin.js';
import { seededRng } from '../../../lib/core/random.js';
import { Client, instance, instances } from './support/fixture.js';

const SEEDS = [1, 2, 3, 4, 5];

function sequence(weights: readonly number[], seed: number, calls: number): string[] {
  const client = new Client(weightedRoundRobin(), { rng: seededRng(seed) }).with(instances(weights));
  return Array.from({ length: calls }, () => client.call());
}

function counts(calls: readonly string[]): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const name of calls) counted[name] = (counted[name] ?? 0) + 1;
  return counted;
}

describe.each(SEEDS)('from the start that seed %i gives', (seed) => {
  it('gives everybody exactly its weight of any calls in a row that are as many as the weights', () => {
    const calls = sequence([5, 3, 2, 1], seed, 11 * 40);
    for (let from = 0; from + 11 <= calls.length; from++) {
      expect(counts(calls.slice(from, from + 11))).toEqual({ a: 5, b: 3, c: 2, d: 1 });
    }
  });

  it('gives equals a strict turn', () => {
    const calls = sequence([2, 2, 2], seed, 30);
    for (let index = 3; index < calls.length; index++) expect(calls[index]).toBe(calls[index - 3]);
  });

  it('spreads the turns of a heavy one evenly between those of a light one', () => {
    const gaps = sequence([7, 2], seed, 900).join('').split('b').slice(1, -1);
    expect(new Set(gaps.map((gap) => gap.length))).toEqual(new Set([3, 4]));
  });
});

it('is as exact after a million calls', () => {
  const client = new Client(weightedRoundRobin()).with(instances([0.3, 0.6, 0.1]));
  client.calls(999_990);
  expect(client.calls(10)).toEqual({ a: 3, b: 6, c: 1 });
});

it('starts each client elsewhere', () => {
  const firsts = Array.from({ length: 60 }, (_, seed) => sequence([1, 1, 1], seed, 1)[0]);
  expect(new Set(firsts).size).toBe(3);
});

it('keeps everybody in its place when a list is repeated', () => {
  const [once, often] = [new Client(weightedRoundRobin()), new Client(weightedRoundRobin())];
  once.with(instances([5, 3, 2]));
  for (let index = 0; index < 100; index++) {
    often.with(instances([5, 3, 2]));
    expect(often.call()).toBe(once.call());
  }
});

it('gives a newcomer its share at once, and no more', () => {
  const client = new Client(weightedRoundRobin()).with(instances([1, 1]));
  client.calls(1_001);
  client.with([...instances([1, 1]), instance('c', { weight: 2 })]);
  const afterwards = client.calls(40);
  expect(Math.abs(afterwards['c']! - 20)).toBeLessThanOrEqual(1);
});

it('follows weights that change', () => {
  const client = new Client(weightedRoundRobin()).with(instances([1, 1]));
  client.calls(7);
  client.with(instances([3, 1]));
  const afterwards = client.calls(40);
  expect(Math.abs(afterwards['a']! - 30)).toBeLessThanOrEqual(1);
});

it('lets who is excluded keep its turn', () => {
  const client = new Client(weightedRoundRobin()).with(instances([1, 1, 1]));
  const order = [client.call(), client.call(), client.call()];
  const due = client.get(order[0]!);
  expect(client.pick([due])).toBe(order[1]);
  expect(client.pick()).toBe(order[0]);
  expect(client.pick([...client.set.endpoints])).toBeUndefined();
  expect(client.pick()).toBe(order[2]);
});
