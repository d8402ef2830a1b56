import { parseAddress } from '../core/address.js';
import { ConfigurationError, RookeryError } from '../core/errors.js';
import { serviceInstance, type InstanceInit, type ServiceInstance } from '../core/instance.js';
import { invalidOption } from '../core/options.js';
import { matchesQuery, matchesScope, resolutionOf } from './instance-query.js';
import { ResolutionDelivery } from './resolution-delivery.js';
import type {
  InstanceQuery,
  ResolutionListener,
  ServiceQuery,
  ServiceRegistry,
  Unsubscribe,
} from './service-registry.js';

/** `host:port`, `[v6]:port`, or a record of at least `ip` and `port`. */
export type StaticInstance = string | Omit<InstanceInit, 'serviceName'>;

/** Instances by service name. */
export type StaticInstances = Readonly<Record<string, readonly StaticInstance[]>>;

/**
 * A registry of addresses known beforehand.
 *
 * A service may start with it as with any other: what it registers, renews and deregisters is ignored, for the list is what it is.
 * Without an `instanceId` the address stands for it, so callers can prove only which service answers there.
 *
 * ```ts
 * staticRegistry({ orders: ['10.0.0.1:4000', '[::1]:4001', { ip: '10.0.0.2', port: 4000, weight: 3 }] });
 * ```
 *
 * @throws ConfigurationError `OPTION_INVALID` naming the entry: `staticRegistry.orders[1]`
 * @publicApi
 */
export function staticRegistry(instances: StaticInstances): StaticRegistry {
  if (!isRecord(instances)) throw invalidOption('staticRegistry', 'an object of lists, by service name', instances);
  return new StaticRegistry(Object.entries(instances).flatMap(([serviceName, list]) => parseList(serviceName, list)));
}

/**
 * @publicApi
 */
export class StaticRegistry implements ServiceRegistry {
  readonly name = 'static';
  readonly leaseTtlMs = undefined;
  readonly isReadOnly = true;
  private readonly deliveries = new Set<ResolutionDelivery>();

  constructor(private readonly instances: readonly ServiceInstance[]) {}

  /** Ignored. */
  async register(_instance: ServiceInstance): Promise<void> {}

  /** Ignored. */
  async deregister(_instance: ServiceInstance): Promise<void> {}

  /** Ignored: there is no lease to lose. */
  async renew(_instance: ServiceInstance): Promise<void> {}

  async getInstances(serviceName: string, query: InstanceQuery = {}): Promise<ServiceInstance[]> {
    return this.find(serviceName, query);
  }

  watchInstances(serviceName: string, listener: ResolutionListener, query: InstanceQuery = {}): Unsubscribe {
    const delivery = new ResolutionDelivery(() => resolutionOf(this.find(serviceName, query)), listener);
    this.deliveries.add(delivery);
    delivery.changed();
    return () => this.end(delivery);
  }

  async listServices(query: ServiceQuery = {}): Promise<string[]> {
    const inScope = this.instances.filter((instance) => matchesScope(instance, query));
    return [...new Set(inScope.map(({ serviceName }) => serviceName))].sort();
  }

  async close(): Promise<void> {
    for (const delivery of this.deliveries) this.end(delivery);
  }

  private find(serviceName: string, query: InstanceQuery): ServiceInstance[] {
    return this.instances.filter((instance) => instance.serviceName === serviceName && matchesQuery(instance, query));
  }

  private end(delivery: ResolutionDelivery): void {
    delivery.stop();
    this.deliveries.delete(delivery);
  }
}

function parseList(serviceName: string, list: unknown): ServiceInstance[] {
  const path = `staticRegistry.${serviceName}`;
  if (!Array.isArray(list)) throw invalidOption(path, 'a list of addresses', list);
  const instances = list.map((entry, index) => parseEntry(`${path}[${index}]`, serviceName, entry));
  instances.forEach(({ instanceId }, index) => {
    const first = instances.findIndex((other) => other.instanceId === instanceId);
    if (first < index) throw invalidOption(`${path}[${index}]`, `another instance than ${path}[${first}]`, instanceId);
  });
  return instances;
}

function parseEntry(path: string, serviceName: string, entry: unknown): ServiceInstance {
  const init = typeof entry === 'string' ? fromAddress(entry) : entry;
  if (!isRecord(init)) throw invalidOption(path, `'host:port', '[v6]:port' or { ip, port, … }`, entry);
  try {
    return serviceInstance({ ...(init as InstanceInit), serviceName });
  } catch (error) {
    if (!RookeryError.is(error)) throw error;
    throw new ConfigurationError('OPTION_INVALID', `${path}: ${error.message}`, { cause: error });
  }
}

function fromAddress(text: string): Pick<InstanceInit, 'ip' | 'port'> | undefined {
  const address = parseAddress(text.trim());
  return address && { ip: address.host, port: address.port };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
