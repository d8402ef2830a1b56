import { expect, it } from 'vitest';

import { Child, growth, settled, type Ledger } from './child.js';

const SETS = 200;
const ORDERS = ['client', 'server', 'registry'];

it(`${SETS} colonies of server, client and registry leave nothing behind, whatever closes first`, async () => {
  const child = new Child('sets.mjs');
  const untouched = await child.ask<Ledger>('ledger');
  // Compiled code is not a leak.
  for (const first of ORDERS) await child.ask('run', { count: 2, first });
  const before = await settled(child, untouched.holds);
  expect(before.holds).toEqual(untouched.holds);

  for (const [index, first] of ORDERS.entries()) {
    const count = Math.floor((SETS * (index + 1)) / ORDERS.length) - Math.floor((SETS * index) / ORDERS.length);
    await child.ask('run', { count, first });
  }
  const after = await settled(child, untouched.holds);
  const { heapMb, rssMb } = growth(before, after);
  console.log(`after ${SETS} sets: heap ${heapMb.toFixed(1)} MB more, RSS ${rssMb.toFixed(1)} MB more`);
  expect(after.holds).toEqual(untouched.holds);
  expect(heapMb).toBeLessThan(5);
}, 120_000);
