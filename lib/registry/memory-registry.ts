import type { Clock } from '../core/clock.js';
import type { Duration } from '../core/duration.js';
import type { ServiceInstance } from '../core/instance.js';
import { durationOption, integerOption } from '../core/options.js';
import { resolutionOf } from './instance-query.js';
import { InstanceTable, MAX_INSTANCES } from './instance-table.js';
import { registryClosed } from './registry-errors.js';
import { ResolutionDelivery } from './resolution-delivery.js';
import type {
  InstanceQuery,
  Resolution,
  ResolutionListener,
  ServiceQuery,
  ServiceRegistry,
  Unsubscribe,
} from './service-registry.js';

export interface MemoryRegistryOptions {
  /** How long an instance stays without renewal; without it, until it is deregistered. At least 1 ms. */
  ttl?: Duration | undefined;
  /**
   * Instances it holds before it refuses more with `REGISTRY_FULL`.
   *
   * @default 10_000
   */
  maxInstances?: number | undefined;
  /** Names it in errors and snapshots. @default 'memory' */
  name?: string | undefined;
  /** @default the system's */
  clock?: Clock | undefined;
}

/**
 * A registry inside this process: for tests, and for several services in one process.
 *
 * ```ts
 * const registry = memoryRegistry({ ttl: '15s' });
 * const other = registry.connect(); // for a second application: each closes its own
 * ```
 *
 * @publicApi
 */
export function memoryRegistry({
  ttl,
  maxInstances,
  name = 'memory',
  clock,
}: MemoryRegistryOptions = {}): MemoryRegistry {
  const ttlMs = ttl === undefined ? undefined : durationOption('memoryRegistry.ttl', ttl, 0, { min: 1 });
  const limit = integerOption('memoryRegistry.maxInstances', maxInstances, MAX_INSTANCES, { min: 1 });
  const table = new InstanceTable({ ttlMs, maxInstances: limit, clock });
  return new MemoryRegistry(name, ttlMs, table, new Set());
}

/**
 * @publicApi
 */
export class MemoryRegistry implements ServiceRegistry {
  private readonly deliveries = new Map<ResolutionDelivery, Unsubscribe>();
  private isClosed = false;

  /** @param clients all that share the table; the last to close closes it */
  constructor(
    readonly name: string,
    readonly leaseTtlMs: number | undefined,
    private readonly table: InstanceTable,
    private readonly clients: Set<MemoryRegistry>,
  ) {
    clients.add(this);
  }

  /** Another client of the same instances. What it registers outlives its `close()`, as with any registry. */
  connect(): MemoryRegistry {
    this.assertOpen();
    return new MemoryRegistry(this.name, this.leaseTtlMs, this.table, this.clients);
  }

  async register(instance: ServiceInstance): Promise<void> {
    this.assertOpen();
    this.table.upsert(instance);
  }

  async deregister(instance: ServiceInstance): Promise<void> {
    this.assertOpen();
    this.table.remove(instance);
  }

  async renew(instance: ServiceInstance): Promise<void> {
    this.assertOpen();
    this.table.renew(instance);
  }

  async getInstances(serviceName: string, query: InstanceQuery = {}): Promise<ServiceInstance[]> {
    this.assertOpen();
    return this.table.query(serviceName, query);
  }

  watchInstances(serviceName: string, listener: ResolutionListener, query: InstanceQuery = {}): Unsubscribe {
    const delivery = new ResolutionDelivery(() => this.resolve(serviceName, query), listener);
    if (!this.isClosed) this.deliveries.set(delivery, this.table.subscribe(delivery.changed, serviceName, query));
    delivery.changed();
    return () => this.end(delivery);
  }

  async listServices(query: ServiceQuery = {}): Promise<string[]> {
    this.assertOpen();
    return this.table.listServices(query);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const delivery of this.deliveries.keys()) this.end(delivery);
    this.clients.delete(this);
    if (this.clients.size === 0) this.table.close();
  }

  private resolve(serviceName: string, query: InstanceQuery): Resolution {
    if (this.isClosed) return { state: 'failed', error: registryClosed(this.name) };
    return resolutionOf(this.table.query(serviceName, query));
  }

  private end(delivery: ResolutionDelivery): void {
    delivery.stop();
    this.deliveries.get(delivery)?.();
    this.deliveries.delete(delivery);
  }

  private assertOpen(): void {
    if (this.isClosed) throw registryClosed(this.name);
  }
}
