import { RegistryError } from '../../lib/core/errors.js';
import type { ServiceInstance } from '../../lib/core/instance.js';
import { memoryRegistry, type MemoryRegistry } from '../../lib/registry/memory-registry.js';
import { ResolutionDelivery } from '../../lib/registry/resolution-delivery.js';
import type {
  InstanceQuery,
  Resolution,
  ResolutionListener,
  ServiceQuery,
  ServiceRegistry,
} from '../../lib/registry/service-registry.js';
import type { RegistryBackend, RegistryFixture } from '../../lib/testing/registry-fixture.js';

/**
 * A server to speak of, without a socket: it can be away, refuse, and forget. It is here to try the contract's clauses about outages, which
 * the registries of this process have no use for; real servers have specs of their own.
 */
export class PretendServer {
  readonly changed = new Set<() => void>();
  instances: MemoryRegistry | undefined;

  constructor(private readonly ttlMs: number) {
    this.start();
  }

  start(): void {
    this.instances = memoryRegistry({ ttl: this.ttlMs });
    this.tell();
  }

  async stop(): Promise<void> {
    await this.instances?.close();
    this.instances = undefined;
    this.tell();
  }

  private tell(): void {
    for (const listener of [...this.changed]) listener();
  }
}

export class PretendClient implements ServiceRegistry {
  readonly name = 'pretend:127.0.0.1:7665';
  private readonly stops = new Set<() => void>();
  private isClosed = false;

  constructor(
    private readonly server: PretendServer | undefined,
    readonly leaseTtlMs: number,
    private readonly password = 'right',
  ) {}

  async register(instance: ServiceInstance): Promise<void> {
    await this.reach().register(instance);
  }

  async deregister(instance: ServiceInstance): Promise<void> {
    await this.reach().deregister(instance);
  }

  async renew(instance: ServiceInstance): Promise<void> {
    await this.reach().renew(instance);
  }

  async getInstances(serviceName: string, query?: InstanceQuery): Promise<ServiceInstance[]> {
    return this.reach().getInstances(serviceName, query);
  }

  async listServices(query?: ServiceQuery): Promise<string[]> {
    return this.reach().listServices(query);
  }

  watchInstances(serviceName: string, listener: ResolutionListener, query?: InstanceQuery): () => void {
    let state: Resolution = { state: 'pending' };
    let stopFollowing = () => {};
    const delivery = new ResolutionDelivery(() => state, listener);
    const hear = (resolution: Resolution) => {
      state = resolution;
      delivery.changed();
    };
    const follow = () => {
      stopFollowing();
      const problem = this.problem();
      stopFollowing = problem ? () => {} : this.reach().watchInstances(serviceName, hear, query);
      if (problem) hear({ state: 'failed', error: problem });
    };
    const stop = () => {
      this.stops.delete(stop);
      this.server?.changed.delete(follow);
      stopFollowing();
      delivery.stop();
    };
    this.stops.add(stop);
    this.server?.changed.add(follow);
    follow();
    return stop;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const stop of this.stops) stop();
  }

  private reach(): MemoryRegistry {
    const problem = this.problem();
    if (problem) throw problem;
    return this.server!.instances!;
  }

  private problem(): RegistryError | undefined {
    if (this.isClosed) return new RegistryError('CLIENT_CLOSED', 'closed');
    if (!this.server?.instances) return new RegistryError('REGISTRY_UNREACHABLE', '127.0.0.1:7665 does not answer');
    return this.password === 'right' ? undefined : new RegistryError('REGISTRY_DENIED', 'wrong password');
  }
}

export interface PretendBackend extends RegistryBackend {
  readonly server: PretendServer;
}

export interface PretendLimits {
  readonly ttlMs: number;
  readonly propagationMs: number;
  readonly failureMs: number;
}

/** @param adapt what stands between the client and the suite: a saboteur */
export function pretendFixture(
  { ttlMs, propagationMs, failureMs }: PretendLimits,
  adapt: (client: ServiceRegistry, server: PretendServer | undefined) => ServiceRegistry = (client) => client,
): RegistryFixture<PretendBackend> {
  const connect = (server?: PretendServer, password?: string) =>
    adapt(new PretendClient(server, ttlMs, password), server);
  return {
    capabilities: { leaseTtlMs: ttlMs, propagationMs, failureMs },
    async create() {
      const server = new PretendServer(ttlMs);
      return { server, registry: connect(server), another: async () => connect(server), close: () => server.stop() };
    },
    restartServer: async ({ server }) => {
      await server.stop();
      server.start();
    },
    stopServer: ({ server }) => server.stop(),
    wrongCredentials: async ({ server }) => connect(server, 'wrong'),
    unreachable: async () => connect(),
  };
}
