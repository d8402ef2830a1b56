import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import type { RegistryClause } from '../registry-clause.js';
import { assertRejects } from '../registry-trial.js';

/** Who renews stays, who falls silent goes, and who was forgotten is told so. */
export const leaseClauses: readonly RegistryClause[] = [
  {
    name: 'says how long its lease is',
    async run({ registry, limits }) {
      assert.equal(registry.leaseTtlMs, limits.leaseTtlMs);
    },
  },
  {
    name: 'renews an instance that it knows',
    needs: ['writes'],
    async run(trial) {
      const instance = await trial.registerNew();
      const watcher = trial.watch();
      await watcher.seesExactly([instance]);
      for (let beat = 0; beat < 3; beat++) await trial.registry.renew(instance);
      await watcher.seesExactly([instance]);
    },
  },
  {
    name: 'keeps an instance that is renewed, beyond its lease',
    needs: ['writes', 'leases'],
    async run(trial) {
      const { leaseTtlMs = 0 } = trial.limits;
      const instance = await trial.registerNew();
      const watcher = trial.watch();
      await watcher.seesExactly([instance]);
      const end = performance.now() + 3 * leaseTtlMs;
      while (performance.now() < end) {
        await sleep(leaseTtlMs / 3);
        await trial.registry.renew(instance);
      }
      await watcher.seesExactly([instance]);
      assert.ok(!watcher.heard.some(({ state }) => state === 'absent'), 'it was gone for a while');
    },
  },
  {
    name: 'drops the instance of a process that was killed, within its lease, and keeps the others',
    needs: ['writes', 'leases'],
    async run(trial) {
      const { leaseTtlMs = 0, expiryMs } = trial.limits;
      const survivor = await trial.registerNew();
      const victim = await trial.another();
      const doomed = await trial.registerNew({}, victim);
      const watcher = trial.watch();
      await watcher.seesExactly([survivor, doomed]);
      const beat = setInterval(() => void trial.registry.renew(survivor).catch(() => {}), leaseTtlMs / 3);
      try {
        await trial.kill(victim);
        await watcher.seesExactly([survivor], expiryMs);
      } finally {
        clearInterval(beat);
      }
    },
  },
  {
    name: 'says LEASE_LOST to the renewal of an instance that it forgot, and takes it again',
    needs: ['writes'],
    async run(trial) {
      const instance = await trial.registerNew();
      const watcher = trial.watch();
      await watcher.seesExactly([instance]);
      await trial.loseLease(instance);
      await watcher.sees('absent', trial.limits.expiryMs);
      await assertRejects('renew', trial.registry.renew(instance), 'LEASE_LOST');
      await trial.register(instance);
      await watcher.seesExactly([instance]);
      await trial.registry.renew(instance);
    },
  },
  {
    name: 'says LEASE_LOST to the renewal of an instance that it never had',
    needs: ['writes'],
    async run(trial) {
      await assertRejects('renew', trial.registry.renew(trial.instance()), 'LEASE_LOST');
    },
  },
];
