import assert from 'node:assert/strict';

import type { ServiceInstance } from '../../core/instance.js';
import type { RegistryClause } from '../registry-clause.js';
import { assertRejects, assertSame, byId, type RegistryTrial } from '../registry-trial.js';
import { until } from '../waiting.js';

const CROWD = 200;

/** What is put in comes out: complete, once, and nobody else's. */
export const recordClauses: readonly RegistryClause[] = [
  {
    name: 'has a name that stays',
    async run({ registry }) {
      const { name } = registry;
      assert.ok(typeof name === 'string' && name !== '', 'a registry needs a name');
      assert.equal(registry.name, name);
    },
  },
  {
    name: 'says whether it is read-only',
    async run({ registry, isReadOnly }) {
      assert.equal(registry.isReadOnly ?? false, isReadOnly);
    },
  },
  {
    name: 'lets a service start that it has no place for: what it registers is ignored',
    needs: ['givenInstances'],
    async run(trial) {
      const instance = await trial.registerNew();
      await trial.registry.renew(instance);
      assert.deepEqual(await trial.look(), []);
      await trial.registry.deregister(instance);
    },
  },
  {
    name: 'has no instances of a service it never heard of',
    async run(trial) {
      assert.deepEqual(await trial.look('unheard-of'), []);
    },
  },
  {
    name: 'keeps every field of a record',
    given: (trial) => [
      trial.instance({
        ip: 'orders-1.example.org',
        enabled: false,
        status: 'draining',
        metadata: { zone: 'eu-1a', empty: '', 'dotted.key/with slash': 'a=b&c' },
        clusterName: 'east',
        version: '2.1.0-rc.1',
        protocol: 'http',
        tags: ['canary', 'with space', 'a,b'],
      }),
    ],
    run: keeps,
  },
  { name: 'keeps metadata of any script', given: (trial) => [trial.instance({ metadata: UNICODE })], run: keeps },
  {
    name: 'keeps IPv6 addresses',
    given: (trial) => [trial.instance({ ip: '2001:db8::7' }), trial.instance({ ip: '::1' })],
    run: keeps,
  },
  {
    name: 'keeps weights, 0 and fractions among them',
    needs: ['weights'],
    given: (trial) => [trial.instance({ weight: 0 }), trial.instance({ weight: 2.5 }), trial.instance({ weight: 100 })],
    run: keeps,
  },
  {
    name: 'keeps that an instance is unhealthy',
    needs: ['health'],
    given: (trial) => [trial.instance({ healthy: false })],
    run: keeps,
  },
  {
    name: 'shows one client what another registered',
    needs: ['writes'],
    async run(trial) {
      const other = await trial.another();
      const instance = await trial.registerNew({}, other);
      await until('the instance is visible', async () => (await trial.look()).length === 1, trial.limits.propagationMs);
      assertSame(await trial.look(), [instance]);
    },
  },
  {
    name: 'replaces the record of the same id, and adds none',
    needs: ['writes'],
    async run(trial) {
      const before = await trial.registerNew({ metadata: { build: '1', old: 'yes' } });
      const after = { ...before, port: before.port + 1, metadata: { build: '2' } };
      await trial.register(after);
      const isReplaced = async () => (await trial.look())[0]?.port === after.port;
      await until('the record is replaced', isReplaced, trial.limits.propagationMs);
      assertSame(await trial.look(), [after]);
    },
  },
  {
    name: `shows all of ${CROWD} instances that registered at once`,
    needs: ['writes'],
    async run(trial) {
      const crowd = await Promise.all(Array.from({ length: CROWD }, () => trial.registerNew()));
      const isComplete = async () => (await trial.look()).length === CROWD;
      await until(`${CROWD} instances are visible`, isComplete, trial.limits.propagationMs);
      assert.deepEqual(ids(await trial.look()), ids(crowd));
    },
  },
  {
    name: 'takes out one of two instances and keeps the other',
    needs: ['writes'],
    async run(trial) {
      const [leaving, staying] = [await trial.registerNew(), await trial.registerNew()];
      await trial.registry.deregister(leaving);
      await until('it is gone', async () => (await trial.look()).length < 2, trial.limits.propagationMs);
      assertSame(await trial.look(), [staying]);
      await trial.registry.renew(staying);
    },
  },
  {
    name: 'takes an instance out twice, or one it never had, without complaint',
    needs: ['writes'],
    async run(trial) {
      const instance = await trial.registerNew();
      await trial.registry.deregister(instance);
      await trial.registry.deregister(instance);
      await trial.registry.deregister(trial.instance());
      await until('it is gone', async () => (await trial.look()).length === 0, trial.limits.propagationMs);
    },
  },
  {
    name: 'refuses a record that breaks the rules, and names the field',
    needs: ['writes'],
    async run(trial) {
      const bad = { ...trial.instance(), port: 70_000 };
      const error = await assertRejects('register', trial.registry.register(bad), 'INSTANCE_INVALID');
      assert.match(error.message, /port/);
      assert.deepEqual(await trial.look(), []);
    },
  },
];

const UNICODE = { größe: 'weiß', 料金: '無料', эмодзи: '🪹🪺', rtl: 'שלום', combined: 'e\u0301', quoted: '"\\\n\t' };

async function keeps(trial: RegistryTrial, given: readonly ServiceInstance[]): Promise<void> {
  const isComplete = async () => (await trial.look()).length === given.length;
  await until('the instances are visible', isComplete, trial.limits.propagationMs);
  assertSame(await trial.look(), given);
}

function ids(instances: readonly ServiceInstance[]): string[] {
  return byId(instances).map(({ instanceId }) => instanceId);
}
