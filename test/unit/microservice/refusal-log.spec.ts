import { expect, it } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { RefusalLog } from '../../../lib/microservice/refusal-log.js';

it('a flood of refused connections is one line in ten seconds, which says how many there were', () => {
  const lines: string[] = [];
  let now = 5_000;
  const log = new RefusalLog(
    (line) => lines.push(line),
    () => now,
  );
  const refuse = () => log.note(new RookeryError('AUTHENTICATION_FAILED', 'no proof'), '10.0.0.7:4711');
  for (let count = 0; count < 1_000; count++) refuse();
  now += 10_000;
  refuse();
  expect(lines).toEqual([
    'the connection from 10.0.0.7:4711 was refused or cut (AUTHENTICATION_FAILED): no proof',
    'the connection from 10.0.0.7:4711 was refused or cut (AUTHENTICATION_FAILED): no proof; 999 others since the last such line',
  ]);
});
