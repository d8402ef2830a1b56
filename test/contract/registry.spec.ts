import type { ServiceInstance } from '../../lib/core/instance.js';
import { compositeRegistry } from '../../lib/registry/composite-registry.js';
import { memoryRegistry, type MemoryRegistry } from '../../lib/registry/memory-registry.js';
import { staticRegistry, type StaticRegistry } from '../../lib/registry/static-registry.js';
import { registryContract, type RegistryBackend, type RegistryFixture } from '../../lib/testing/index.js';
import { READ_ONLY, WITHOUT_LEASES, WITHOUT_SERVER, WRITABLE } from './left-out.js';
import { pinnedRunner } from './pinned-runner.js';

const TTL_MS = 200;
const LIMITS = { propagationMs: 1_000, failureMs: 2_000 };

function contract(name: string, fixture: RegistryFixture, leftOut: Parameters<typeof pinnedRunner>[0]): void {
  registryContract(name, fixture, pinnedRunner(leftOut));
}

contract(
  'memory',
  {
    capabilities: { ...LIMITS, leaseTtlMs: TTL_MS },
    create: async () => memoryBackend(memoryRegistry({ ttl: TTL_MS })),
  },
  { ...WRITABLE, ...WITHOUT_SERVER },
);

contract(
  'memory without leases',
  { capabilities: LIMITS, create: async () => memoryBackend(memoryRegistry()) },
  { ...WRITABLE, ...WITHOUT_SERVER, ...WITHOUT_LEASES },
);

contract(
  'composite of two',
  {
    capabilities: { ...LIMITS, leaseTtlMs: TTL_MS },
    create: async () => compositeBackend([memoryRegistry({ ttl: TTL_MS }), memoryRegistry({ ttl: 2 * TTL_MS })]),
  },
  { ...WRITABLE, ...WITHOUT_SERVER },
);

contract(
  'composite, the first that has any, then a static list',
  {
    capabilities: LIMITS,
    create: async () => compositeBackend([memoryRegistry()], [staticRegistry({ elsewhere: ['10.0.0.1:4000'] })]),
  },
  { ...WRITABLE, ...WITHOUT_SERVER, ...WITHOUT_LEASES },
);

contract('static', { capabilities: { ...LIMITS, isReadOnly: true }, create: staticBackend }, READ_ONLY);

function memoryBackend(registry: MemoryRegistry): RegistryBackend {
  return { registry, another: async () => registry.connect(), close: () => registry.close() };
}

function compositeBackend(members: MemoryRegistry[], rest: StaticRegistry[] = []): RegistryBackend {
  const mode = rest.length > 0 ? 'first' : 'union';
  return {
    registry: compositeRegistry([...members, ...rest], { mode }),
    another: async () => compositeRegistry([...members.map((member) => member.connect()), ...rest], { mode }),
    close: async () => {},
  };
}

async function staticBackend(given: readonly ServiceInstance[]): Promise<RegistryBackend> {
  const lists: Record<string, ServiceInstance[]> = {};
  for (const instance of given) (lists[instance.serviceName] ??= []).push(instance);
  return { registry: staticRegistry(lists), another: async () => staticRegistry(lists), close: async () => {} };
}
