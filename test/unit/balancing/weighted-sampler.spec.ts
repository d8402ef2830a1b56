import { expect, it } from 'vitest';

import { WeightedSampler } from '../../../lib/balancing/weighted-sampler.js';
import { seededRng } from '../../../lib/core/random.js';
import { misfit } from './support/chi-square.js';
import { endpoints } from './support/fixture.js';

const DRAWS = 200_000;

function counted(weights: readonly number[], draw: (sampler: WeightedSampler) => number): number[] {
  const sampler = new WeightedSampler(seededRng(7));
  sampler.update(endpoints(weights));
  const counts = weights.map(() => 0);
  for (let index = 0; index < DRAWS; index++) counts[draw(sampler)]!++;
  return counts;
}

it.each([
  { name: 'equal weights', weights: [1, 1, 1, 1, 1] },
  { name: 'small whole weights', weights: [1, 2, 3, 4] },
  { name: 'fractions', weights: [0.1, 0.25, 0.7, 0.95] },
  { name: 'a heavy one among many', weights: [100, ...Array.from({ length: 50 }, () => 1)] },
  { name: 'a light one among heavy', weights: [10_000, 10_000, 50] },
  { name: 'one', weights: [3] },
])('draws by weight: $name', ({ weights }) => {
  const counts = counted(weights, (sampler) => sampler.draw());
  if (weights.length > 1) expect(misfit(counts, weights)).toBeLessThan(1);
  expect(counts.every((count) => count > 0)).toBe(true);
});

it.each([
  { name: 'a usual one', excluded: [1] },
  { name: 'the heaviest, which most draws hit', excluded: [0] },
  { name: 'all but two', excluded: [0, 1, 3] },
])('draws by weight among the rest when some are excluded: $name', ({ excluded }) => {
  const weights = [1_000, 4, 3, 2, 1];
  const isLeft = (_: number, index: number) => !excluded.includes(index);
  const counts = counted(weights, (sampler) => sampler.drawExcept(excluded.map((index) => sampler.endpoints[index]!)));
  expect(excluded.map((index) => counts[index])).toEqual(excluded.map(() => 0));
  expect(misfit(counts.filter(isLeft), weights.filter(isLeft))).toBeLessThan(1);
});

it('draws nobody where nobody is left', () => {
  const sampler = new WeightedSampler(seededRng(7));
  expect(sampler.drawExcept(undefined)).toBe(-1);
  const all = endpoints([1, 2]);
  sampler.update(all);
  expect(sampler.drawExcept(all)).toBe(-1);
});

it('follows weights that change', () => {
  const members = endpoints([1, 1]);
  const sampler = new WeightedSampler(seededRng(7));
  sampler.update(members);
  members[0]!.warmth = 0.25;
  sampler.update(members);
  const counts = [0, 0];
  for (let index = 0; index < DRAWS; index++) counts[sampler.draw()]!++;
  expect(misfit(counts, [1, 4])).toBeLessThan(1);
});
