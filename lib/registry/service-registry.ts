import type { RookeryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';

/**
 * The port every registry adapter implements: hold leases for instances, and let others follow a service.
 * Adapters translate; backing off, caching, keeping the last good list and re-registering live above (`lib/discovery`).
 *
 * The interface and its Nest injection token share one name.
 *
 * @publicApi
 */
export interface ServiceRegistry {
  /** A stable name of what is behind it, e.g. `embedded:127.0.0.1:7665`: keys the last-good snapshot on disk and names it in errors. */
  readonly name: string;

  /**
   * How long the registry keeps an instance that is not renewed, in ms; `undefined` where entries have no lease.
   * The registrar renews at a third of it.
   */
  readonly leaseTtlMs: number | undefined;

  /** True where instances come from elsewhere (a list, DNS, Kubernetes): writes are accepted and ignored. @default false */
  readonly isReadOnly?: boolean;

  /**
   * Announces an instance, or replaces the record of the same `instanceId`. Called at start, after a lost lease and when the record changes.
   *
   * @throws RegistryError `REGISTRY_UNREACHABLE`, `REGISTRY_DENIED`; RookeryError `INSTANCE_INVALID`
   */
  register(instance: ServiceInstance): Promise<void>;

  /** Takes an instance out; one that is not there is no error. Leaves every other instance of this process alone. */
  deregister(instance: ServiceInstance): Promise<void>;

  /**
   * Keeps the lease. Called by the registrar's heartbeat, never concurrently for one instance.
   *
   * @throws RegistryError `LEASE_LOST` where the registry no longer knows the instance: register again
   */
  renew(instance: ServiceInstance): Promise<void>;

  /** The instances as the registry knows them now; an empty array means "there are none", an unreachable registry throws. */
  getInstances(serviceName: string, query?: InstanceQuery): Promise<ServiceInstance[]>;

  /**
   * Follows a service: the listener hears the present state first, then the newest state after each change (a slow listener may miss
   * intermediate ones, never the last), and `failed` when the registry stops answering, until it answers again. Never throws, and never
   * calls the listener before it has returned; `ResolutionDelivery` sees to it.
   *
   * @returns stops it: no call of the listener afterwards, no socket or timer left for it
   */
  watchInstances(serviceName: string, listener: ResolutionListener, query?: InstanceQuery): Unsubscribe;

  /** Names of the services that have at least one instance, sorted. */
  listServices(query?: ServiceQuery): Promise<string[]>;

  /** Ends all watches and connections. Deregisters nothing by itself (the registrar does that first). May be called twice. */
  close(): Promise<void>;
}

/** Injection token of the registry in use. */
export const ServiceRegistry: unique symbol = Symbol.for('nestjs-rookery.ServiceRegistry') as never;

export type Unsubscribe = () => void;
export type ResolutionListener = (resolution: Resolution) => void;

/**
 * What is known of a service. "There are no instances" (`absent`) and "the registry does not answer" (`failed`) are never confused.
 * Source of the idea: Finagle's `Addr` (Pending, Bound, Neg, Failed).
 */
export type Resolution =
  | { readonly state: 'pending' }
  | { readonly state: 'found'; readonly instances: readonly ServiceInstance[] }
  | { readonly state: 'absent' }
  | { readonly state: 'failed'; readonly error: RookeryError };

export interface ServiceQuery {
  namespaceId?: string | undefined;
  groupName?: string | undefined;
}

/** Narrows a look-up. Every field given must match; without `namespaceId`/`groupName` the defaults of `ServiceInstance` are meant. */
export interface InstanceQuery extends ServiceQuery {
  clusterName?: string | undefined;
  /** Only instances that are healthy, enabled and `up`. @default false */
  healthyOnly?: boolean | undefined;
  version?: string | undefined;
  /** All of these tags. */
  tags?: readonly string[] | undefined;
  /** All of these entries. */
  metadata?: Readonly<Record<string, string>> | undefined;
}
