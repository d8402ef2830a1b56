import { expect, it } from 'vitest';

import { Turn } from '../../../lib/transport/turn.js';

it('a turn of the event loop gives each connection so many calls, all of them not many more, and the next one begins anew', async () => {
  const turn = new Turn();
  const given = Array.from({ length: 12 }, () => {
    const { allowance } = turn;
    turn.took(allowance);
    return allowance;
  });
  expect(given).toEqual([128, 128, 128, 8, 8, 8, 8, 8, 8, 8, 8, 8]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(turn.allowance).toBe(128);
  turn.took(1);
  expect(turn.allowance).toBe(128);
});
