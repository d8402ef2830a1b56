import { expect, it } from 'vitest';

import { random } from '../../../lib/balancing/random.js';
import { misfit } from './support/chi-square.js';
import { Client, instances } from './support/fixture.js';

it('picks by weight', () => {
  const counts = new Client(random()).with(instances([5, 3, 2])).calls(100_000);
  expect(misfit([counts['a']!, counts['b']!, counts['c']!], [5, 3, 2])).toBeLessThan(1);
});

it('passes over who is excluded', () => {
  const client = new Client(random()).with(instances([100, 1]));
  const excluded = [client.get('a')];
  for (let index = 0; index < 100; index++) expect(client.pick(excluded)).toBe('b');
  expect(client.pick([...client.set.endpoints])).toBeUndefined();
});
