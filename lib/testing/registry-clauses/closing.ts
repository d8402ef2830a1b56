import assert from 'node:assert/strict';

import type { RegistryClause } from '../registry-clause.js';
import type { RegistryTrial } from '../registry-trial.js';
import { until, within } from '../waiting.js';

/** Many of each, for a timer of the test runner that ends meanwhile must not hide a leak. */
const WATCHES = 20;
const CLIENTS = 10;

/** What is opened is closed, and a count proves it. */
export const closingClauses: readonly RegistryClause[] = [
  {
    name: 'leaves nothing open for a watch that ended',
    async run(trial) {
      const watchAndStop = async (count: number) => {
        const heard = new Set<number>();
        const watches = Array.from({ length: count }, (_, at) =>
          trial.registry.watchInstances(trial.service(`watched-${at}`), () => heard.add(at)),
        );
        await until('all first states', () => heard.size === count, trial.limits.propagationMs);
        for (const stop of watches) stop();
      };
      await watchAndStop(1); // what all watches share stays open with the client
      const before = openResources();
      await watchAndStop(WATCHES);
      await returnsTo(before, trial);
    },
  },
  {
    name: 'leaves nothing open after close',
    async run(trial) {
      const use = async () => {
        const client = await trial.another();
        const watcher = trial.watch(undefined, { client });
        await until('the first state', () => watcher.heard.length > 0, trial.limits.propagationMs);
        await client.listServices();
        await client.close();
      };
      await use(); // the server's own resources come with its first client
      await trial.quiet();
      const before = openResources();
      for (let client = 0; client < CLIENTS; client++) await use();
      await returnsTo(before, trial);
    },
  },
  {
    name: 'calls no listener after close, and may be closed twice',
    needs: ['writes'],
    async run(trial) {
      const client = await trial.another();
      const watcher = trial.watch(undefined, { client });
      const witness = trial.watch();
      await watcher.sees('absent');
      await client.close();
      await client.close();
      const { length } = watcher.heard;
      await witness.seesExactly([await trial.registerNew()]);
      await trial.quiet();
      assert.equal(watcher.heard.length, length, 'a listener was called after close');
    },
  },
  {
    name: 'leaves no call hanging that is under way at close, or comes after it',
    async run(trial) {
      const client = await trial.another();
      const underWay = Promise.allSettled([client.getInstances(trial.service()), client.listServices()]);
      await within('close', trial.limits.failureMs, client.close());
      const late = [client.getInstances(trial.service()), client.listServices(), client.register(trial.instance())];
      await within('every call ends', trial.limits.failureMs, Promise.all([underWay, Promise.allSettled(late)]));
      client.watchInstances(trial.service(), () => {})();
    },
  },
];

/** What keeps the process alive, by kind. */
function openResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

async function returnsTo(before: Map<string, number>, { limits }: RegistryTrial): Promise<void> {
  const more = () => [...openResources()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
  await until('nothing more is open than before', () => more().length === 0, limits.propagationMs, more);
}
