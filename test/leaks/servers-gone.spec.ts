import { describe, expect, it } from 'vitest';

import { Child, growth, settled, type Ledger } from './child.js';

const LOSSES = 10_000;
const CLIENTS = 100;
/** Of them, those on the server whose process is killed in the end. */
const ON_DOOMED = 25;

describe('servers that go in the middle of a stream', () => {
  it(`leave their clients exactly as they were, after ${LOSSES} lost connections, however they were lost`, async () => {
    const seed = Number(process.env['ROOKERY_SEED'] ?? Date.now() % 2 ** 31);
    console.log(`servers gone: ROOKERY_SEED=${seed}`);
    const servers = Array.from({ length: CLIENTS / ON_DOOMED }, () => new Child('leaving-server.mjs'));
    const ports = await Promise.all(servers.map((server, index) => server.ask<number>('open', seed + index)));
    const clients = new Child('left-clients.mjs');
    const untouched = await clients.ask<Ledger>('ledger');
    await clients.ask('open', { ports, count: CLIENTS });

    // Compiled code, and tables that have grown, are not a leak.
    await clients.ask('lose', { times: 5, pattern: 'doomed' });
    const before = await rested(clients);
    expect(before.holds.objects).toMatchObject({ ClientConnection: CLIENTS, OutgoingCall: 0 });

    const {
      lost = 0,
      lostAtOnce = 0,
      ...others
    } = await clients.ask<Record<string, number>>('lose', {
      times: LOSSES / CLIENTS,
      pattern: 'doomed',
    });
    expect(others).toEqual({});
    expect(lost + lostAtOnce).toBe(LOSSES);
    expect(lost).toBeGreaterThan(LOSSES / 2);
    const after = await rested(clients, before.holds);
    const { heapMb, rssMb } = growth(before, after);
    console.log(`after ${LOSSES} losses: heap ${heapMb.toFixed(1)} MB more, RSS ${rssMb.toFixed(1)} MB more`);
    expect(after.holds).toEqual(before.holds);
    expect(heapMb).toBeLessThan(5);

    const ends = clients.ask('lose', { times: 1, pattern: 'endless' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await Promise.all(servers.map((server) => server.kill()));
    expect(await ends).toEqual({ lost: CLIENTS });
    await clients.ask('close');
    const closed = await settled(clients, untouched.holds);
    expect(closed.holds).toEqual(untouched.holds);
  }, 120_000);
});

/** With its connections up, and nothing else. */
async function rested(clients: Child, expected?: Ledger['holds']): Promise<Ledger> {
  await clients.ask('reconnect');
  return settled(clients, expected ?? (await clients.ask<Ledger>('ledger')).holds);
}
