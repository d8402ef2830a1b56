import { expect, it } from 'vitest';

import { shown } from '../../../lib/core/shown.js';

it.each<[unknown, string]>([
  ['text', '"text"'],
  ['two\nlines', '"two\\nlines"'],
  [7, '7'],
  [-0, '0'],
  [10n, '10'],
  [null, 'null'],
  [undefined, 'undefined'],
  [true, 'true'],
  [Symbol('s'), 'Symbol(s)'],
  [[1, 2], 'an array of 2'],
  [{ secret: 'x' }, 'an object'],
  [{ toString: 1, valueOf: 1 }, 'an object'],
  [Object.create(null), 'an object'],
  [() => {}, 'a function'],
])('shows %o as %s', (value, text) => {
  expect(shown(value)).toBe(text);
});

it('shows at most 80 characters', () => {
  expect(shown('x'.repeat(1_000_000))).toHaveLength(80);
  expect(shown(10n ** 200n)).toHaveLength(80);
});
