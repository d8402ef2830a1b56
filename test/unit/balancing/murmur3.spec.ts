import { expect, it } from 'vitest';

import { murmur3 } from '../../../lib/balancing/murmur3.js';
import { misfit } from './support/chi-square.js';
import { even } from './support/fixture.js';

it('is what it was: clients of different versions must agree where a key belongs', () => {
  expect([murmur3('orders'), murmur3('orders', 1), murmur3('Überraschung €')]).toEqual([
    3573629028, 2756251912, 87483710,
  ]);
});

it.each([
  ['texts that differ in a number', (index: number) => murmur3(`order-${index}`)],
  ['seeds that follow each other', (index: number) => murmur3('orders-7f9c', index)],
])('spreads %s evenly', (_, hash) => {
  for (const shift of [0, 8, 24]) {
    const buckets = even(256).map(() => 0);
    for (let index = 0; index < 100_000; index++) buckets[(hash(index) >>> shift) & 255]!++;
    expect(misfit(buckets, even(256))).toBeLessThan(1);
  }
});
