import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';

import { seededRng } from '../../../lib/core/random.js';
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
