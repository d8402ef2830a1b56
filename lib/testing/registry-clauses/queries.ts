import assert from 'node:assert/strict';

import type { InstanceInit } from '../../core/instance.js';
import type { InstanceQuery } from '../../registry/service-registry.js';
import type { Need, RegistryClause } from '../registry-clause.js';
import { CONTRACT_GROUP, CONTRACT_NAMESPACE } from '../registry-fixture.js';
import { assertSame } from '../registry-trial.js';
import { until } from '../waiting.js';

/** Looks narrow to what they ask for, and scopes do not leak into each other. */
export const queryClauses: readonly RegistryClause[] = [
  finds(
    'only instances that take calls, on request',
    { healthyOnly: true },
    [{}],
    [{ enabled: false }, { status: 'starting' }, { status: 'draining' }, { status: 'out-of-service' }],
  ),
  finds('only healthy instances, on request', { healthyOnly: true }, [{}], [{ healthy: false }], ['health']),
  finds('instances of a cluster', { clusterName: 'east' }, [{ clusterName: 'east' }], [{}, { clusterName: 'eastern' }]),
  finds('instances of a version', { version: '2.0.0' }, [{ version: '2.0.0' }], [{}, { version: '2.0.0-rc.1' }]),
  finds(
    'instances that have all of the tags',
    { tags: ['a', 'b'] },
    [{ tags: ['b', 'c', 'a'] }],
    [{}, { tags: ['a'] }],
  ),
  finds(
    'instances that have all of the metadata',
    { metadata: { lane: 'blue', zone: 'z1' } },
    [{ metadata: { lane: 'blue', zone: 'z1', more: 'x' } }],
    [{}, { metadata: { lane: 'blue' } }, { metadata: { lane: 'blue', zone: 'z10' } }],
  ),
  finds(
    'instances that meet every condition at once',
    { clusterName: 'east', version: '2.0.0', tags: ['a'] },
    [{ clusterName: 'east', version: '2.0.0', tags: ['a'] }],
    [
      { clusterName: 'east', version: '2.0.0' },
      { clusterName: 'east', tags: ['a'] },
      { version: '2.0.0', tags: ['a'] },
    ],
  ),
  keepsApart('namespaces', { namespaceId: CONTRACT_NAMESPACE }),
  keepsApart('groups', { groupName: CONTRACT_GROUP }),
  {
    name: 'lists the services that have instances, each once, sorted',
    given: (trial) => ['b', 'c', 'a', 'b'].map((serviceName) => trial.instance({ serviceName })),
    async run(trial) {
      const mine = async () =>
        (await trial.registry.listServices()).filter((name) => name.startsWith(trial.service('')));
      await until('three services', async () => (await mine()).length === 3, trial.limits.propagationMs);
      assert.deepEqual(
        await mine(),
        ['a', 'b', 'c'].map((name) => trial.service(name)),
      );
    },
  },
  {
    name: 'lists a service no longer once its last instance is gone',
    needs: ['writes'],
    async run(trial) {
      const isListed = async () => (await trial.registry.listServices()).includes(trial.service());
      const instance = await trial.registerNew();
      await until('the service is listed', isListed, trial.limits.propagationMs);
      await trial.registry.deregister(instance);
      await until('it is listed no longer', async () => !(await isListed()), trial.limits.propagationMs);
    },
  },
];

function finds(
  what: string,
  query: InstanceQuery,
  meant: Partial<InstanceInit>[],
  others: Partial<InstanceInit>[],
  needs: Need[] = [],
): RegistryClause {
  return {
    name: `finds ${what}`,
    needs,
    given: (trial) => [...meant, ...others].map((init) => trial.instance(init)),
    async run(trial, given) {
      const isComplete = async () => (await trial.look()).length === given.length;
      await until('the instances are visible', isComplete, trial.limits.propagationMs);
      const wanted = given.slice(0, meant.length);
      assertSame(await trial.look(undefined, query), wanted);
      const watcher = trial.watch(undefined, { query });
      await watcher.seesExactly(wanted);
    },
  };
}

function keepsApart(
  what: 'namespaces' | 'groups',
  scope: Pick<InstanceInit, 'namespaceId' | 'groupName'>,
): RegistryClause {
  return {
    name: `keeps ${what} apart`,
    needs: [what],
    given: (trial) => [
      trial.instance(),
      trial.instance(scope),
      trial.instance({ ...scope, serviceName: 'only-there' }),
    ],
    async run(trial, [here, there]) {
      assert.ok(here && there);
      await trial.watch().seesExactly([here]);
      await trial.watch(undefined, { query: scope }).seesExactly([there]);
      assertSame(await trial.look(), [here]);
      assertSame(await trial.look(undefined, scope), [there]);
      const onlyThere = trial.service('only-there');
      const isListedThere = async () => (await trial.registry.listServices(scope)).includes(onlyThere);
      await until(`the service is listed there`, isListedThere, trial.limits.propagationMs);
      assert.ok(!(await trial.registry.listServices()).includes(onlyThere), `it is listed among other ${what}`);
    },
  };
}
