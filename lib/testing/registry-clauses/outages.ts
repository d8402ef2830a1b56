import assert from 'node:assert/strict';

import { RookeryError } from '../../core/errors.js';
import type { ServiceInstance } from '../../core/instance.js';
import type { ServiceRegistry } from '../../registry/service-registry.js';
import type { RegistryClause } from '../registry-clause.js';
import { assertRejects, type RegistryTrial } from '../registry-trial.js';
import { until, within } from '../waiting.js';

const ADDRESS = /[\w.\]-]+:\d{1,5}/;

/** An absent registry is told apart from an absent service, in bounded time, and comes back. */
export const outageClauses: readonly RegistryClause[] = [
  {
    name: 'says REGISTRY_UNREACHABLE and where, to whatever is asked of an address where nobody answers',
    needs: ['address'],
    async run(trial) {
      const registry = await trial.unreachable();
      for (const [what, task] of calls(registry, trial)) {
        const error = await assertRejects(what, within(what, trial.limits.failureMs, task), 'REGISTRY_UNREACHABLE');
        assert.match(error.message, ADDRESS, `${what}: the message names no address`);
      }
    },
  },
  {
    name: 'tells a watcher `failed`, not `absent`, at an address where nobody answers',
    needs: ['address'],
    async run(trial) {
      const watcher = trial.watch(undefined, { client: await trial.unreachable() });
      await watcher.sees('failed', trial.limits.failureMs);
      assert.ok(!watcher.heard.some(({ state }) => state === 'absent'), 'nobody knows that there are none');
      assert.ok(watcher.latest.state === 'failed' && RookeryError.is(watcher.latest.error));
    },
  },
  {
    name: 'says REGISTRY_DENIED to wrong credentials',
    needs: ['credentials'],
    async run(trial) {
      const registry = await trial.denied();
      for (const [what, task] of calls(registry, trial)) {
        await assertRejects(what, within(what, trial.limits.failureMs, task), 'REGISTRY_DENIED');
      }
      const watcher = trial.watch(undefined, { client: registry });
      await watcher.sees('failed', trial.limits.failureMs);
      assert.equal(watcher.latest.state === 'failed' && watcher.latest.error.reason, 'REGISTRY_DENIED');
    },
  },
  {
    name: 'tells watchers `failed`, never `absent`, when its server stops',
    needs: ['writes', 'stop'],
    async run(trial) {
      const instance = await trial.registerNew();
      const watcher = trial.watch();
      await watcher.seesExactly([instance]);
      await trial.stopServer();
      await watcher.sees('failed', trial.limits.failureMs);
      assert.ok(!watcher.heard.some(({ state }) => state === 'absent'), 'an absent registry is no absent service');
      const look = within('getInstances', trial.limits.failureMs, trial.look());
      await assertRejects('getInstances', look, 'REGISTRY_UNREACHABLE');
    },
  },
  {
    name: 'finds its way back after the server restarted: instances register again, watchers hear again',
    needs: ['writes', 'restart'],
    async run(trial) {
      const other = await trial.another();
      const instance = await trial.registerNew();
      const watcher = trial.watch(undefined, { client: other });
      await watcher.seesExactly([instance]);
      await trial.restartServer();
      await beatUntilKnown(trial, instance);
      await watcher.seesExactly([instance], trial.limits.failureMs);
      const late = await trial.registerNew();
      await watcher.seesExactly([instance, late]);
      assert.equal((await trial.look()).length, 2);
    },
  },
];

/** What a registrar does: renew, and register where the lease is lost. */
async function beatUntilKnown({ registry, limits }: RegistryTrial, instance: ServiceInstance): Promise<void> {
  let problem = '';
  const beat = async () => {
    try {
      await registry.renew(instance);
      return true;
    } catch (error) {
      if (!RookeryError.is(error)) throw error;
      problem = error.message;
      if (error.reason === 'LEASE_LOST') await registry.register(instance).catch(() => {});
      else assert.equal(error.reason, 'REGISTRY_UNREACHABLE', error.message);
      return false;
    }
  };
  await until('the instance is known again', beat, limits.failureMs, () => problem);
}

function* calls(registry: ServiceRegistry, trial: RegistryTrial): Generator<[string, Promise<unknown>]> {
  yield ['register', registry.register(trial.instance())];
  yield ['renew', registry.renew(trial.instance())];
  yield ['getInstances', registry.getInstances(trial.service())];
  yield ['listServices', registry.listServices()];
}
