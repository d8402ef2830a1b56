import assert from 'node:assert/strict';

import type { Unsubscribe } from '../../registry/service-registry.js';
import type { RegistryClause } from '../registry-clause.js';
import { assertSame, type RegistryTrial } from '../registry-trial.js';
import { until } from '../waiting.js';

const BURST = 50;
const SLOW_MS = 5;
const RACES = 20;

/** A watcher hears the state, then every state that lasts, and nothing else. */
export const watchClauses: readonly RegistryClause[] = [
  {
    name: 'tells a watcher the present state first, after it has subscribed',
    given: (trial) => [trial.instance(), trial.instance()],
    async run(trial, given) {
      await until('both are visible', async () => (await trial.look()).length === 2, trial.limits.propagationMs);
      const watcher = trial.watch();
      assert.equal(watcher.heard.length, 0, 'the listener was called before watchInstances returned');
      await watcher.sees('found');
      const first = watcher.heard.find(({ state }) => state !== 'pending');
      assert.ok(first?.state === 'found');
      assertSame(first.instances, given);
    },
  },
  {
    name: 'tells a watcher that there are no instances',
    async run(trial) {
      await trial.watch('unheard-of').sees('absent');
    },
  },
  {
    name: 'tells a watcher what other clients register, change and take out',
    needs: ['writes'],
    async run(trial) {
      const other = await trial.another();
      const watcher = trial.watch();
      await watcher.sees('absent');
      const one = await trial.registerNew({}, other);
      await watcher.seesExactly([one]);
      const two = await trial.registerNew({}, other);
      await watcher.seesExactly([one, two]);
      await trial.register({ ...one, status: 'draining' }, other);
      await until(
        'the change is heard',
        () => watched(watcher, one.instanceId)?.status === 'draining',
        trial.limits.propagationMs,
      );
      await other.deregister(one);
      await watcher.seesExactly([two]);
      await other.deregister(two);
      await watcher.sees('absent');
    },
  },
  {
    name: 'loses no change between the first state and the next',
    needs: ['writes'],
    async run(trial) {
      const other = await trial.another();
      for (let race = 0; race < RACES; race++) {
        const name = `race-${race}`;
        // The registration starts a little before the watch in some races, a little after it in the others.
        const isFirst = race % 2 === 0;
        const early = isFirst ? trial.registerNew({ serviceName: name }, other) : undefined;
        await turns(race);
        const watcher = trial.watch(name);
        if (!isFirst) await turns(race);
        await watcher.seesExactly([await (early ?? trial.registerNew({ serviceName: name }, other))]);
      }
    },
  },
  {
    name: 'tells a slow listener the newest state, however many it missed',
    needs: ['writes'],
    async run(trial) {
      const instance = await trial.registerNew({ metadata: { revision: '0' } });
      let heard: string | undefined;
      const stop = trial.registry.watchInstances(trial.service(), (resolution) => {
        block(SLOW_MS);
        heard = resolution.state === 'found' ? resolution.instances[0]?.metadata['revision'] : undefined;
      });
      for (let revision = 1; revision <= BURST; revision++) {
        await trial.register({ ...instance, metadata: { revision: String(revision) } });
      }
      await until(
        'the last change is heard',
        () => heard === String(BURST),
        BURST * SLOW_MS + trial.limits.propagationMs,
        () => heard,
      );
      stop();
    },
  },
  {
    name: 'shows everybody the same record after concurrent changes, the last one',
    needs: ['writes'],
    async run(trial) {
      const other = await trial.another();
      const watchers = [trial.watch(), trial.watch(undefined, { client: other })];
      const instance = await trial.registerNew();
      const write = (revision: string, client = trial.registry) =>
        trial.register({ ...instance, metadata: { revision } }, client);
      await Promise.all(Array.from({ length: 20 }, (_, at) => write(`both-${at}`, at % 2 ? other : trial.registry)));
      await write('mine');
      await write('last', other);
      const all = () => watchers.map((watcher) => watched(watcher, instance.instanceId)?.metadata['revision']);
      await until(
        'both watchers hear the last change',
        () => all().every((it) => it === 'last'),
        trial.limits.propagationMs,
        all,
      );
      await trial.quiet();
      assert.deepEqual(all(), ['last', 'last'], 'an older record came back');
      assert.equal((await trial.look())[0]?.metadata['revision'], 'last');
    },
  },
  {
    name: 'does not wake the watchers of `order` for `orders`',
    needs: ['writes'],
    async run(trial) {
      const order = trial.watch('order');
      const orders = trial.watch('orders');
      await Promise.all([order.sees('absent'), orders.sees('absent')]);
      const { length } = order.heard;
      await trial.registerNew({ serviceName: 'orders' });
      await orders.sees('found');
      await trial.quiet();
      assert.equal(order.heard.length, length, 'the watcher of `order` was called');
      assert.deepEqual(await trial.look('order'), []);
    },
  },
  {
    name: 'calls nobody after unsubscribe, which may be called twice',
    needs: ['writes'],
    async run(trial) {
      let calls = 0;
      const stop = trial.registry.watchInstances(trial.service(), () => calls++);
      const witness = trial.watch();
      await until('the first state', () => calls > 0, trial.limits.propagationMs);
      const registering = trial.registerNew();
      stop();
      stop();
      const before = calls;
      await witness.seesExactly([await registering]);
      await trial.quiet();
      assert.equal(calls, before, 'the listener was called after unsubscribe');
    },
  },
  {
    name: 'lets a listener unsubscribe inside its own call',
    needs: ['writes'],
    async run(trial) {
      let calls = 0;
      const stop: Unsubscribe = trial.registry.watchInstances(trial.service(), () => {
        calls++;
        stop();
      });
      const witness = trial.watch();
      await until('the first state', () => calls > 0, trial.limits.propagationMs);
      await witness.seesExactly([await trial.registerNew()]);
      await trial.quiet();
      assert.equal(calls, 1);
    },
  },
  {
    name: 'keeps a listener that throws from harming the others, and itself',
    needs: ['writes'],
    run: (trial) => withoutWarnings(() => throwingListener(trial)),
  },
];

async function throwingListener(trial: RegistryTrial): Promise<void> {
  let calls = 0;
  const stop = trial.registry.watchInstances(trial.service(), () => {
    calls++;
    throw new Error('thrown by a listener of the registry contract, on purpose');
  });
  const witness = trial.watch();
  await until('the first state', () => calls > 0, trial.limits.propagationMs);
  const before = calls;
  await witness.seesExactly([await trial.registerNew()]);
  await until('the thrower hears the next state', () => calls > before, trial.limits.propagationMs);
  stop();
}

/** The warning about the listener is meant for its author, who is this suite. */
async function withoutWarnings(run: () => Promise<void>): Promise<void> {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    await run();
  } finally {
    process.emitWarning = emitWarning;
  }
}

function watched({ latest }: ReturnType<RegistryTrial['watch']>, id: string) {
  return latest.state === 'found' ? latest.instances.find(({ instanceId }) => instanceId === id) : undefined;
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
