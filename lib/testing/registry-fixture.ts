import type { ServiceInstance } from '../core/instance.js';
import type { ServiceRegistry } from '../registry/service-registry.js';

/** A registry under test, with its server. */
export interface RegistryBackend {
  readonly registry: ServiceRegistry;
  /** A second client of the same server. The suite closes it. */
  another(): Promise<ServiceRegistry>;
  /** Ends the server; `registry` is closed by then. */
  close(): Promise<void>;
}

/**
 * How the contract gets at a registry. What is left out makes the clauses that need it not applicable.
 *
 * @publicApi
 */
export interface RegistryFixture<B extends RegistryBackend = RegistryBackend> {
  /**
   * Called once per clause. Clauses use service names of their own, so a server may be shared by them.
   *
   * @param given instances that a read-only registry must have from the start; none otherwise
   */
  create(given: readonly ServiceInstance[]): Promise<B>;
  readonly capabilities?: RegistryCapabilities;
  /** Makes a client vanish without goodbye. Where it is left out, the client is closed: that deregisters nothing either. */
  kill?(backend: B, registry: ServiceRegistry): Promise<void>;
  /** Makes the server forget an instance. Where it is left out, the suite lets the lease end or deregisters elsewhere. */
  loseLease?(backend: B, instance: ServiceInstance): Promise<void>;
  /** Stops the server and starts it again at the same address; it may have lost everything. */
  restartServer?(backend: B): Promise<void>;
  stopServer?(backend: B): Promise<void>;
  /** A client that the server refuses. */
  wrongCredentials?(backend: B): Promise<ServiceRegistry>;
  /** A client of an address where nobody answers. */
  unreachable?(backend: B): Promise<ServiceRegistry>;
}

/**
 * What a backend can do, and how fast. Flags are for what it *cannot*, never for what its adapter does not.
 *
 * @publicApi
 */
export interface RegistryCapabilities {
  /** The lease it was configured with, in ms; leave it out where entries have none. */
  readonly leaseTtlMs?: number | undefined;
  /** How much later than the lease's end an instance may vanish, in ms. @default 0 */
  readonly ttlGranularityMs?: number | undefined;
  /** How long a change may take to reach another client, in ms. @default 2_000 */
  readonly propagationMs?: number | undefined;
  /** How long an outage may take to be told, or a call to an unreachable server to fail, in ms. @default 10_000 */
  readonly failureMs?: number | undefined;
  /** Instances are given, not registered; writes are ignored. @default false */
  readonly isReadOnly?: boolean | undefined;
  /** @default true */
  readonly supportsWeights?: boolean | undefined;
  /** Keeps `healthy` as it was registered, instead of judging by itself. @default true */
  readonly supportsHealth?: boolean | undefined;
  /** @default true */
  readonly supportsNamespaces?: boolean | undefined;
  /** @default true */
  readonly supportsGroups?: boolean | undefined;
}

/** The namespace and the group, besides the defaults, that the clauses use: a server may need them created beforehand. */
export const CONTRACT_NAMESPACE = 'rookery-contract';
export const CONTRACT_GROUP = 'rookery-contract';
