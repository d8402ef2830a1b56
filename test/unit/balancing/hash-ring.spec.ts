import fc from 'fast-check';
import { expect, it } from 'vitest';

import { HashRing } from '../../../lib/balancing/hash-ring.js';
import { murmur3 } from '../../../lib/balancing/murmur3.js';
import { endpoints, even } from './support/fixture.js';

const KEYS = Array.from({ length: 500 }, (_, index) => murmur3(`key-${index}`));

function owners(ring: HashRing): string[] {
  return KEYS.map((key) => ring.ownerAt(ring.find(key)).instanceId);
}

it('has as many points as the weights say, whatever unit they are in', () => {
  const sizes = [1, 100, 10_000].map((unit) => {
    const ring = new HashRing(256);
    ring.update(endpoints([unit, unit, unit / 4]));
    return ring.size;
  });
  for (const size of sizes) {
    expect(size).toBeGreaterThan(2.25 * 180);
    expect(size).toBeLessThan(2.25 * 500);
  }
});

it('is after any changes what it would be if it were new', () => {
  const all = endpoints([1, 1, 2, 5, 0.5, 1, 30, 1]);
  const subset = fc.uniqueArray(fc.nat({ max: all.length - 1 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(subset, { minLength: 1, maxLength: 8 }), (updates) => {
      const changed = new HashRing(64);
      for (const update of updates) changed.update(update.map((index) => all[index]!));
      const fresh = new HashRing(64);
      fresh.update(
        updates
          .at(-1)!
          .toReversed()
          .map((index) => all[index]!),
      );
      expect(changed.size).toBe(fresh.size);
      expect(owners(changed)).toEqual(owners(fresh));
    }),
  );
});

it('finds the first point at or after a hash, and the first of all after the last', () => {
  const ring = new HashRing(8);
  ring.update(endpoints(even(3)));
  const places = [0, 2 ** 31, 2 ** 32 - 1].map((hash) => ring.find(hash));
  expect(places[0]).toBe(0);
  expect(places[1]).toBeGreaterThan(0);
  expect(places[1]).toBeLessThan(ring.size);
  expect(places[2]).toBe(0);
});

it('is empty of nobody', () => {
  const ring = new HashRing(8);
  ring.update(endpoints(even(3)));
  ring.update([]);
  expect(ring.size).toBe(0);
});
