import { expect, it } from 'vitest';

import { roundRobin } from '../../../lib/balancing/round-robin.js';
import { seededRng } from '../../../lib/core/random.js';
import { Client, even, instances } from './support/fixture.js';

/** A client whose first pick was `a`. */
function startedAtA(count: number): Client {
  const client = new Client(roundRobin(), { rng: () => 0 }).with(instances(even(count)));
  expect(client.call()).toBe('a');
  return client;
}

it('gives everybody a turn, whatever the weights', () => {
  const client = new Client(roundRobin()).with(instances([1, 10, 100]));
  expect(client.calls(300)).toEqual({ a: 100, b: 100, c: 100 });
});

it('starts anywhere, so that clients do not walk in step', () => {
  const firsts = Array.from({ length: 60 }, (_, seed) =>
    new Client(roundRobin(), { rng: seededRng(seed) }).with(instances(even(3))).call(),
  );
  expect(new Set(firsts).size).toBe(3);
});

it('goes on where it was when members come and go', () => {
  const client = startedAtA(5);
  expect(client.call()).toBe('b');
  client.with(client.set.endpoints.map((endpoint) => endpoint.instance).filter((it) => it.instanceId !== 'a'));
  expect([client.call(), client.call(), client.call(), client.call()]).toEqual(['c', 'd', 'e', 'b']);
});

it('goes on with the next when the one that is due has left', () => {
  const client = startedAtA(4);
  client.with(instances(even(4)).filter((it) => it.instanceId !== 'b'));
  expect(client.call()).toBe('c');
  client.with(instances(even(3)).filter((it) => it.instanceId !== 'b'));
  expect(client.call()).toBe('a');
});

it('passes over who is excluded', () => {
  const client = startedAtA(3);
  expect(client.pick([client.get('b')])).toBe('c');
  expect(client.pick([...client.set.endpoints])).toBeUndefined();
});
