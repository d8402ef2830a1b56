import { expect, it } from 'vitest';

import { mayRepeat } from '../../../lib/core/outcome.js';

it.each([
  ['never-sent', true, true],
  ['refused', true, true],
  ['unknown', true, false],
  ['handled', false, false],
] as const)('a call whose fate is %s may be repeated: %s if idempotent, %s if not', (outcome, idempotent, other) => {
  expect([mayRepeat(outcome, true), mayRepeat(outcome, false)]).toEqual([idempotent, other]);
});
