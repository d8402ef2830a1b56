import { RegistryError, type RookeryError } from '../../lib/core/errors.js';
import type { ServiceInstance } from '../../lib/core/instance.js';
import type { Resolution, ServiceRegistry } from '../../lib/registry/service-registry.js';
import type { PretendServer } from './pretend-server.js';

/** A bug that a registry adapter may have: what it does differently from a right one. */
export type Sabotage = (right: ServiceRegistry, server: PretendServer | undefined) => Partial<ServiceRegistry>;

const UNREACHABLE = 'says REGISTRY_UNREACHABLE and where, to whatever is asked of an address where nobody answers';

/** Bugs, each under the clause that must find it. */
export const SABOTEURS: readonly (readonly [bug: string, clause: string, sabotage: Sabotage])[] = [
  ['has no name', 'has a name that stays', () => ({ name: '' })],
  ['calls itself read-only', 'says whether it is read-only', () => ({ isReadOnly: true })],
  [
    'fails for unknown services',
    'has no instances of a service it never heard of',
    (right) => ({
      getInstances: async (name, query) => found(await right.getInstances(name, query)),
    }),
  ],
  ['forgets tags', 'keeps every field of a record', reading((it) => ({ ...it, tags: [] }))],
  ['forgets the status', 'keeps every field of a record', reading((it) => ({ ...it, status: 'up' }))],
  ['sends latin1', 'keeps metadata of any script', reading((it) => ({ ...it, metadata: latin1(it.metadata) }))],
  ['keeps brackets', 'keeps IPv6 addresses', reading((it) => ({ ...it, ip: `[${it.ip}]` }))],
  [
    'takes 0 for missing',
    'keeps weights, 0 and fractions among them',
    reading((it) => ({ ...it, weight: it.weight || 1 })),
  ],
  [
    'rounds weights',
    'keeps weights, 0 and fractions among them',
    reading((it) => ({ ...it, weight: Math.trunc(it.weight) })),
  ],
  ['believes all to be well', 'keeps that an instance is unhealthy', reading((it) => ({ ...it, healthy: true }))],
  [
    'keeps to itself',
    'shows one client what another registered',
    (right) => {
      const own = new Set<string>();
      return {
        register: (it) => (own.add(it.instanceId), right.register(it)),
        getInstances: async (name, query) =>
          (await right.getInstances(name, query)).filter((it) => own.has(it.instanceId)),
      };
    },
  ],
  [
    'never changes a record',
    'replaces the record of the same id, and adds none',
    (right) => {
      const known = new Set<string>();
      return {
        register: async (it) => (known.has(it.instanceId) ? undefined : (known.add(it.instanceId), right.register(it))),
      };
    },
  ],
  [
    'pages',
    'shows all of 200 instances that registered at once',
    (right) => ({
      getInstances: async (name, query) => (await right.getInstances(name, query)).slice(0, 100),
    }),
  ],
  [
    'takes out the service',
    'takes out one of two instances and keeps the other',
    (right) => ({
      deregister: async (it) => {
        for (const one of await right.getInstances(it.serviceName)) await right.deregister(one);
      },
    }),
  ],
  [
    'complains of the gone',
    'takes an instance out twice, or one it never had, without complaint',
    (right) => ({
      deregister: async (it) => {
        const known = await right.getInstances(it.serviceName);
        if (!known.some(({ instanceId }) => instanceId === it.instanceId)) throw new RegistryError('LEASE_LOST', '404');
        await right.deregister(it);
      },
    }),
  ],
  [
    'takes anything',
    'refuses a record that breaks the rules, and names the field',
    (right) => ({
      register: (it) => right.register({ ...it, port: Math.min(it.port, 65_535) }),
    }),
  ],
  [
    'ignores healthyOnly',
    'finds only instances that take calls, on request',
    asking((query) => ({ ...query, healthyOnly: false })),
  ],
  [
    'ignores healthyOnly',
    'finds only healthy instances, on request',
    asking((query) => ({ ...query, healthyOnly: false })),
  ],
  ['ignores clusters', 'finds instances of a cluster', asking((query) => ({ ...query, clusterName: undefined }))],
  ['ignores versions', 'finds instances of a version', asking((query) => ({ ...query, version: undefined }))],
  [
    'asks for any tag',
    'finds instances that have all of the tags',
    asking((query) => ({ ...query, tags: query?.tags?.slice(0, 1) })),
  ],
  [
    'ignores metadata',
    'finds instances that have all of the metadata',
    asking((query) => ({ ...query, metadata: {} })),
  ],
  ['ignores the rest', 'finds instances that meet every condition at once', asking((query) => ({ tags: query?.tags }))],
  ['has one namespace', 'keeps namespaces apart', asking((query) => ({ ...query, namespaceId: undefined }))],
  ['has one group', 'keeps groups apart', asking((query) => ({ ...query, groupName: undefined }))],
  [
    'lists twice',
    'lists the services that have instances, each once, sorted',
    (right) => ({
      listServices: async (query) => (await right.listServices(query)).flatMap((name) => [name, name]),
    }),
  ],
  [
    'sorts backwards',
    'lists the services that have instances, each once, sorted',
    (right) => ({
      listServices: async (query) => (await right.listServices(query)).toReversed(),
    }),
  ],
  [
    'remembers services',
    'lists a service no longer once its last instance is gone',
    (right) => {
      const names = new Set<string>();
      return {
        listServices: async (query) => {
          for (const name of await right.listServices(query)) names.add(name);
          return [...names].toSorted();
        },
      };
    },
  ],
  [
    'calls at once',
    'tells a watcher the present state first, after it has subscribed',
    (right) => ({
      watchInstances: (name, listener, query) => {
        listener({ state: 'absent' });
        return right.watchInstances(name, listener, query);
      },
    }),
  ],
  [
    'begins with `absent`',
    'tells a watcher the present state first, after it has subscribed',
    (right) => ({
      watchInstances: (name, listener, query) => {
        queueMicrotask(() => listener({ state: 'absent' }));
        return right.watchInstances(name, listener, query);
      },
    }),
  ],
  ['tells only changes', 'tells a watcher that there are no instances', hearing((listener) => skipping(1, listener))],
  [
    'stops after two',
    'tells a watcher what other clients register, change and take out',
    hearing((listener) => upTo(2, listener)),
  ],
  [
    'subscribes late',
    'loses no change between the first state and the next',
    (right) => ({
      watchInstances: (name, listener) => {
        void right.getInstances(name).then((instances) => {
          setTimeout(() => listener(instances.length > 0 ? { state: 'found', instances } : { state: 'absent' }), 5);
        });
        return () => {};
      },
    }),
  ],
  [
    'drops while busy',
    'tells a slow listener the newest state, however many it missed',
    hearing((listener) => {
      let freeAt = 0;
      return (resolution) => {
        if (performance.now() < freeAt) return;
        listener(resolution);
        freeAt = performance.now() + 50;
      };
    }),
  ],
  [
    'writes out of order',
    'shows everybody the same record after concurrent changes, the last one',
    (right) => {
      let last: ServiceInstance | undefined;
      return {
        register: async (it) => {
          await right.register(it);
          const before = last;
          last = it;
          if (before && it.metadata['revision'] === 'last')
            setTimeout(() => void right.register(before).catch(() => {}), 20);
        },
      };
    },
  ],
  [
    'matches prefixes',
    'does not wake the watchers of `order` for `orders`',
    (right) => ({
      watchInstances: (name, listener, query) => {
        const stops = ['', 's'].map((rest) => right.watchInstances(name + rest, listener, query));
        return () => stops.forEach((stop) => stop());
      },
    }),
  ],
  [
    'cannot stop',
    'calls nobody after unsubscribe, which may be called twice',
    (right) => ({
      watchInstances: (name, listener, query) => (right.watchInstances(name, listener, query), () => {}),
    }),
  ],
  [
    'cannot stop',
    'lets a listener unsubscribe inside its own call',
    (right) => ({
      watchInstances: (name, listener, query) => (right.watchInstances(name, listener, query), () => {}),
    }),
  ],
  [
    'dies of a listener',
    'keeps a listener that throws from harming the others, and itself',
    hearing((listener) => {
      let isDead = false;
      return (resolution) => {
        if (isDead) return;
        isDead = true;
        listener(resolution);
        isDead = false;
      };
    }),
  ],
  ['guesses its lease', 'says how long its lease is', () => ({ leaseTtlMs: 1 })],
  [
    'renews never',
    'renews an instance that it knows',
    () => ({
      renew: () => Promise.reject(new RegistryError('LEASE_LOST', 'no')),
    }),
  ],
  ['renews nothing', 'keeps an instance that is renewed, beyond its lease', () => ({ renew: async () => {} })],
  [
    'lets nobody go',
    'drops the instance of a process that was killed, within its lease, and keeps the others',
    (right) => {
      const known: ServiceInstance[] = [];
      setInterval(() => known.forEach((it) => void right.renew(it).catch(() => {})), 20).unref();
      return { register: async (it) => (known.push(it), right.register(it)), close: async () => {} };
    },
  ],
  [
    'drops everybody',
    'drops the instance of a process that was killed, within its lease, and keeps the others',
    () => ({
      renew: async () => {},
    }),
  ],
  [
    'hides the loss',
    'says LEASE_LOST to the renewal of an instance that it forgot, and takes it again',
    (right) => ({
      renew: (it) => right.renew(it).catch(() => right.register(it)),
    }),
  ],
  [
    'takes it only once',
    'says LEASE_LOST to the renewal of an instance that it forgot, and takes it again',
    (right) => {
      const known = new Set<string>();
      return {
        register: async (it) => (known.has(it.instanceId) ? undefined : (known.add(it.instanceId), right.register(it))),
      };
    },
  ],
  [
    'renews strangers',
    'says LEASE_LOST to the renewal of an instance that it never had',
    () => ({ renew: async () => {} }),
  ],
  [
    'takes away for none',
    UNREACHABLE,
    (right) => ({ getInstances: (name, query) => right.getInstances(name, query).catch(() => []) }),
  ],
  ['waits for ever', UNREACHABLE, (right, server) => (server ? {} : { register: () => new Promise(() => {}) })],
  [
    'says not where',
    UNREACHABLE,
    (right) => ({
      listServices: (query) =>
        right.listServices(query).catch((error: RookeryError) => Promise.reject(plainError(error))),
    }),
  ],
  [
    'takes away for none',
    'tells a watcher `failed`, not `absent`, at an address where nobody answers',
    hearing(failureAsAbsence),
  ],
  [
    'waits for ever',
    'tells a watcher `failed`, not `absent`, at an address where nobody answers',
    (right, server) => (server ? {} : { watchInstances: () => () => {} }),
  ],
  [
    'takes refusal for absence',
    'says REGISTRY_DENIED to wrong credentials',
    (right) => ({
      register: (it) =>
        right.register(it).catch(() => Promise.reject(new RegistryError('REGISTRY_UNREACHABLE', '403'))),
    }),
  ],
  ['takes away for none', 'tells watchers `failed`, never `absent`, when its server stops', hearing(failureAsAbsence)],
  [
    'notices nothing',
    'tells watchers `failed`, never `absent`, when its server stops',
    hearing((listener) => (resolution) => {
      if (resolution.state !== 'failed') listener(resolution);
    }),
  ],
  [
    'never comes back',
    'finds its way back after the server restarted: instances register again, watchers hear again',
    hearing((listener) => {
      let isBroken = false;
      return (resolution) => {
        isBroken ||= resolution.state === 'failed';
        if (!isBroken) listener(resolution);
      };
    }),
  ],
  [
    'leaks a timer a watch',
    'leaves nothing open for a watch that ended',
    (right) => ({
      watchInstances: (name, listener, query) => {
        setTimeout(() => {}, 3_000);
        return right.watchInstances(name, listener, query);
      },
    }),
  ],
  [
    'leaks a timer a client',
    'leaves nothing open after close',
    (right) => ({
      close: async () => {
        setTimeout(() => {}, 3_000);
        await right.close();
      },
    }),
  ],
  [
    'closes but once',
    'calls no listener after close, and may be closed twice',
    (right) => {
      let isClosed = false;
      return {
        close: async () => {
          if (isClosed) throw new Error('closed already');
          isClosed = true;
          await right.close();
        },
      };
    },
  ],
  ['goes on', 'calls no listener after close, and may be closed twice', () => ({ close: async () => {} })],
  [
    'hangs after close',
    'leaves no call hanging that is under way at close, or comes after it',
    (right) => {
      let isClosed = false;
      return {
        close: async () => {
          isClosed = true;
          await right.close();
        },
        getInstances: (name, query) => (isClosed ? new Promise(() => {}) : right.getInstances(name, query)),
      };
    },
  ],
];

function found(instances: ServiceInstance[]): ServiceInstance[] {
  if (instances.length === 0) throw new RegistryError('REGISTRY_UNREACHABLE', '404');
  return instances;
}

/** Spoils every record that is read. */
function reading(spoil: (instance: ServiceInstance) => ServiceInstance): Sabotage {
  return (right) => ({ getInstances: async (name, query) => (await right.getInstances(name, query)).map(spoil) });
}

/** Spoils what is asked for. */
function asking(spoil: (query: Parameters<ServiceRegistry['getInstances']>[1]) => object): Sabotage {
  return (right) => ({
    getInstances: (name, query) => right.getInstances(name, spoil(query)),
    watchInstances: (name, listener, query) => right.watchInstances(name, listener, spoil(query)),
  });
}

/** Spoils what watchers hear. */
function hearing(spoil: (listener: Listener) => Listener): Sabotage {
  return (right) => ({ watchInstances: (name, listener, query) => right.watchInstances(name, spoil(listener), query) });
}

type Listener = (resolution: Resolution) => void;

function skipping(count: number, listener: Listener): Listener {
  let seen = 0;
  return (resolution) => (seen++ < count ? undefined : listener(resolution));
}

function upTo(count: number, listener: Listener): Listener {
  let seen = 0;
  return (resolution) => (seen++ < count ? listener(resolution) : undefined);
}

function failureAsAbsence(listener: Listener): Listener {
  return (resolution) => listener(resolution.state === 'failed' ? { state: 'absent' } : resolution);
}

function plainError({ reason }: RookeryError): RegistryError {
  return new RegistryError(reason, 'something went wrong');
}

function latin1(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const text = Buffer.from(JSON.stringify(metadata), 'latin1').toString('latin1');
  return JSON.parse(text) as Record<string, string>;
}
