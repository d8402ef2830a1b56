import fc from 'fast-check';
import { expect, it } from 'vitest';

import { leastActive } from '../../../lib/balancing/least-active.js';
import { Client, even, instances } from './support/fixture.js';

it('always picks one with the fewest calls in flight per weight', () => {
  const step = fc.oneof(fc.constant('pick' as const), fc.nat({ max: 30 }));
  const weights = fc.array(fc.constantFrom(0.5, 1, 2, 3, 10), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(weights, fc.array(step, { maxLength: 120 }), (weights, steps) => {
      const client = new Client(leastActive()).with(instances(weights));
      const inFlight: ReturnType<Client['get']>[] = [];
      for (const step of steps) {
        const least = Math.min(...client.set.endpoints.map((it) => it.inFlight / it.weight));
        if (step === 'pick') {
          const endpoint = client.set.pick({})!;
          expect((endpoint.inFlight - 1) / endpoint.weight).toBeCloseTo(least, 9);
          inFlight.push(endpoint);
        } else if (inFlight.length > 0) {
          client.done(inFlight.splice(step % inFlight.length, 1)[0]!);
        }
      }
    }),
  );
});

it('takes turns by weight while calls come one at a time', () => {
  const client = new Client(leastActive()).with(instances([5, 3, 2]));
  for (let round = 0; round < 20; round++) expect(client.calls(10)).toEqual({ a: 5, b: 3, c: 2 });
});

it('does not flood who was stuck, once it is free', () => {
  const client = new Client(leastActive()).with(instances(even(4)));
  const stuck = client.set.pick({})!;
  const counts = client.calls(999);
  expect(counts[stuck.instanceId]).toBe(0);
  client.done(stuck);
  expect(client.calls(400)[stuck.instanceId]).toBeLessThanOrEqual(101);
});

it('remembers calls in flight when the list changes', () => {
  const client = new Client(leastActive()).with(instances(even(2)));
  const busy = client.set.pick({})!;
  client.with(instances(even(3)));
  expect(client.calls(100)[busy.instanceId]).toBe(0);
});

it('picks the next best where the best is excluded', () => {
  const client = new Client(leastActive()).with(instances(even(3)));
  const [a, b, c] = client.set.endpoints;
  a!.inFlight = 1;
  b!.inFlight = 2;
  client.with(instances(even(3)));
  expect(client.pick([c!])).toBe('a');
  expect(client.pick([a!, c!])).toBe('b');
  expect(client.pick([a!, b!, c!])).toBeUndefined();
  expect(client.pick()).toBe('c');
});
