import { expect, it } from 'vitest';

import { misfit } from './chi-square.js';

it('accepts counts that fit, and what chance may do to them', () => {
  expect(misfit([100, 200, 300], [1, 2, 3])).toBe(0);
  expect(misfit([110, 195, 295], [1, 2, 3])).toBeLessThan(1);
});

it('refuses counts that do not fit', () => {
  expect(misfit([200, 200, 200], [1, 2, 3])).toBeGreaterThan(1);
  expect(misfit([5300, 4700], [1, 1])).toBeGreaterThan(1);
});
