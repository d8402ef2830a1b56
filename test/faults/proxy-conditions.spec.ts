import { describe, expect, it } from 'vitest';

import type { RookeryClient } from '../../lib/index.js';
import type { Toxics } from '../../lib/testing/index.js';
import { Load } from './load.js';
import { silentStage, timeUntil } from './silent-stage.js';

const SEED = Number(process.env.ROOKERY_SEED ?? 20_261);

/** The pages of a stream, in the order they came. */
function pagesOf(client: RookeryClient, count: number): Promise<number[]> {
  const pages: number[] = [];
  return new Promise((resolve, reject) => {
    client.send<{ page: number; filler: string }>('orders.pages', count).subscribe({
      next: ({ page, filler }) => void pages.push(filler === 'x'.repeat(8 * 1024) ? page : -1),
      error: reject,
      complete: () => resolve(pages),
    });
  });
}

describe.concurrent(`over a bad network (seed ${SEED})`, { timeout: 60_000 }, () => {
  it.for<{ condition: string; toxics: Partial<Toxics>; rate: number; pages: number }>([
    { condition: 'single bytes', toxics: { sliceBytes: 1 }, rate: 50, pages: 3 },
    { condition: 'latency of 200 ± 100 ms', toxics: { latencyMs: 200, jitterMs: 100 }, rate: 100, pages: 100 },
    { condition: '1 Mbit/s', toxics: { bytesPerSecond: 125_000 }, rate: 100, pages: 30 },
    { condition: 'odd pieces', toxics: { sliceBytes: 1_447, latencyMs: 5, jitterMs: 5 }, rate: 100, pages: 200 },
  ])(
    '($condition) every call is answered with its own answer, and streams come whole and in order',
    async (given, context) => {
      const stage = silentStage(context);
      const route = await stage.proxy(await stage.server(), { seed: SEED });
      route.proxy.set(given.toxics);
      const client = stage.client([route]);
      const load = new Load(client, given.rate, (id) => (id % 2 ? 'orders.get' : 'orders.place'), '10s').start();
      await timeUntil(() => load.records.length > given.rate, 10_000);
      const pages = await pagesOf(client, given.pages);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(pages).toEqual(Array.from({ length: given.pages }, (_, page) => page));
      // A protocol error would have cost the connection.
      expect(route.proxy.counts.accepted).toBe(1);
    },
  );

  it('(resets of one read in a hundred) no idempotent call fails, and nothing is executed twice', async (context) => {
    const stage = silentStage(context);
    const servers = await Promise.all([stage.server(), stage.server()]);
    const routes = await Promise.all(servers.map((server, at) => stage.proxy(server, { seed: SEED + at })));
    for (const { proxy } of routes) proxy.set({ resetChance: 0.01 });
    const client = stage.client(routes);
    const isIdempotent = (id: number) => id % 5 !== 0;
    const load = new Load(client, 200, (id) => (isIdempotent(id) ? 'orders.get' : 'orders.place'), '10s').start();
    await timeUntil(() => load.records.length >= 1_500, 30_000);
    for (const { proxy } of routes) proxy.heal();
    const healedAt = load.records.length;
    await timeUntil(() => load.records.length >= healedAt + 200, 10_000);
    await load.stop();

    const resets = routes.reduce((sum, { proxy }) => sum + proxy.counts.accepted - 1, 0);
    expect(resets).toBeGreaterThan(5);
    expect(load.failures.filter(({ id }) => isIdempotent(id))).toEqual([]);
    for (const { error } of load.failures)
      expect(error).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
    expect(load.failures.filter(({ id }) => id > healedAt + 20)).toEqual([]);
    const placed = servers.flatMap(({ executions }) => executions.map(({ id }) => id));
    expect(new Set(placed).size, 'orders placed twice').toBe(placed.length);
  });
});
