import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import { systemClock } from '../../../lib/core/clock.js';
import { seededRng } from '../../../lib/core/random.js';
import { Registrar } from '../../../lib/discovery/registrar.js';
import { embeddedRegistry } from '../../../lib/embedded/embedded-registry.js';
import { RegistryServer } from '../../../lib/embedded/registry-server.js';
import { until } from '../../../lib/testing/waiting.js';
import { clientOf, follow, order, served } from './support/stage.js';

const HERD = 100;
const JITTER_MS = 2_000;
const SEED = 20_26;

it(`lets ${HERD} clients come back to a registry that lost everything, spread out, and no watcher sees fewer of them meanwhile`, async () => {
  const { port, server } = await served();
  const rng = seededRng(SEED);
  const herd = Array.from({ length: HERD }, () => clientOf(port, { rng, reregisterJitter: JITTER_MS }));
  const all = herd.map((_, n) => order(`o${n}`));
  await Promise.all(herd.map((one, n) => one.register(all[n]!)));
  const watchers = herd.map((one) => follow(one));
  for (const watcher of watchers) await watcher.seesExactly(all);

  await server.close();
  const again = await served({ port });
  const heardBefore = watchers.map(({ heard }) => heard.length);
  const arrivals: number[] = [];
  const isBack = async () => {
    const { registrations } = again.server.stats();
    arrivals.push(registrations - arrivals.reduce((sum, count) => sum + count, 0));
    return registrations === HERD;
  };
  const startedAtMs = performance.now();
  while (!(await isBack())) {
    expect(performance.now() - startedAtMs, 'ms until all are back').toBeLessThan(JITTER_MS + 5_000);
    await sleep(100);
  }
  expect(performance.now() - startedAtMs, 'ms until all are back').toBeGreaterThan(JITTER_MS / 2);
  expect(Math.max(...arrivals), `arrivals per 100 ms (${arrivals.join()}), seed ${SEED}`).toBeLessThan(HERD / 3);
  for (const watcher of watchers) await watcher.seesExactly(all);
  const fewest = watchers.flatMap(({ heard }, n) =>
    heard
      .slice(heardBefore[n])
      .map((it) => (it.state === 'found' ? it.instances.length : it.state === 'absent' ? 0 : HERD)),
  );
  expect(Math.min(...fewest)).toBe(HERD);
  await until('everybody is connected', () => again.server.stats().connections === HERD, 1_000);
}, 20_000);

/** What a registry must cope with: this many come back at once, at most so many of them in any second, and all within this time. */
const CROWD = 500;
const MAX_A_SECOND = 100;
const ALL_BACK_MS = 20_000;

describe.concurrent(
  `${CROWD} services that were registered at a registry which lost everything`,
  { timeout: 60_000 },
  () => {
    it.each([
      ['was away for a moment', 0],
      ['was away for two seconds', 2_000],
      ['was away for longer than their leases', 16_000],
    ])(`return spread where it %s`, async (_, awayMs) => {
      const first = new RegistryServer({ port: 0 });
      const { port } = await first.listen();
      const rng = seededRng(SEED + awayMs);
      const crowd = Array.from({ length: CROWD }, () => embeddedRegistry({ address: `127.0.0.1:${port}`, rng }));
      const registrars = crowd.map((registry) => new Registrar({ registry, clock: systemClock, rng }));
      await Promise.all(registrars.map((registrar, n) => registrar.start(order(`o${n}`))));
      await first.close();
      await sleep(awayMs);

      const second = new RegistryServer({ port });
      await second.listen();
      const arrivals = new Arrivals(() => second.stats().registrations);
      try {
        await until('all are back', () => second.stats().instances === CROWD, ALL_BACK_MS);
        const busiest = arrivals.busiestSecond();
        console.log(
          `away ${awayMs} ms: all back after ${arrivals.elapsedMs} ms, busiest second ${busiest}, seed ${SEED}`,
        );
        expect(busiest).toBeLessThanOrEqual(MAX_A_SECOND);
        expect(second.stats().registrations).toBe(CROWD);
      } finally {
        arrivals.stop();
        await Promise.all(crowd.map((registry) => registry.close()));
        for (const registrar of registrars) void registrar.close();
        await second.close();
      }
    });
  },
);

/** How a count grew. */
class Arrivals {
  private readonly samples: [atMs: number, count: number][] = [[performance.now(), 0]];
  private readonly timer = setInterval(() => this.sample(), 20);

  constructor(private readonly count: () => number) {}

  get elapsedMs(): number {
    return Math.round(performance.now() - this.samples[0]![0]);
  }

  busiestSecond(): number {
    this.sample();
    let [start, most] = [0, 0];
    for (const [atMs, count] of this.samples) {
      while (atMs - this.samples[start]![0] > 1_000) start++;
      most = Math.max(most, count - this.samples[start]![1]);
    }
    return most;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private sample(): void {
    this.samples.push([performance.now(), this.count()]);
  }
}
