import { describe, expect, it } from 'vitest';

import { fullJitter } from '../../../lib/core/backoff.js';
import { seededRng, spread } from '../../../lib/core/random.js';

const bounds = { initialMs: 100, maxMs: 10_000 };

describe('seededRng', () => {
  it('repeats itself with the same seed, and not with another', () => {
    const draw = (seed: number) => Array.from({ length: 5 }, seededRng(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('is what mulberry32 is elsewhere', () => {
    expect(Array.from({ length: 3 }, seededRng(0))).toEqual([
      0.26642920868471265, 0.0003297457005828619, 0.2232720274478197,
    ]);
  });

  it('spreads evenly over [0, 1)', () => {
    const rng = seededRng(42);
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let draw = 0; draw < 100_000; draw++) buckets[Math.floor(rng() * 10)]!++;
    for (const count of buckets) expect(count).toBeGreaterThan(9_600);
  });
});

describe('spread', () => {
  it('lies evenly around the value', () => {
    expect([0, 0.5, 1].map((draw) => spread(5_000, 0.2, () => draw))).toEqual([4_000, 5_000, 6_000]);
  });
});

describe('fullJitter', () => {
  it('waits up to twice as long with each attempt, up to the maximum', () => {
    const longest = (attempt: number) => fullJitter(attempt, bounds, () => 1);
    expect([0, 1, 2, 3, 6, 7, 50, 5_000].map(longest)).toEqual([100, 200, 400, 800, 6_400, 10_000, 10_000, 10_000]);
  });

  it('waits any time from none', () => {
    expect(fullJitter(3, bounds, () => 0)).toBe(0);
    expect(fullJitter(3, bounds, () => 0.5)).toBe(400);
  });

  it('stays in its bounds', () => {
    const rng = seededRng(7);
    for (let draw = 0; draw < 1_000; draw++) {
      const delay = fullJitter(draw % 40, bounds, rng);
      expect(delay >= 0 && delay < bounds.maxMs).toBe(true);
    }
  });
});
