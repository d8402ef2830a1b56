import { expect, it } from 'vitest';
import { ERROR_CATALOGUE } from '../../lib/core/errors.js';
import { readText } from '../support/root.js';
import { readTable } from './markdown-table.js';

it('README.md lists the reasons of the catalogue, in its order, with their codes and outcomes', () => {
  const documented = readTable(readText('README.md'), 'reason', 'code', 'outcome');
  expect(documented.map(({ reason, code, outcome }) => [reason, code, outcome])).toEqual(
    Object.entries(ERROR_CATALOGUE).map(([reason, [code, outcome]]) => [reason, code, outcome]),
  );
});
