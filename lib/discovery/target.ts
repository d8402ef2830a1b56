import type { BalancerFactory, CallSample, PickRequest } from '../balancing/balancer.js';
import { EndpointSet } from '../balancing/endpoint-set.js';
import type { Endpoint } from '../balancing/endpoint.js';
import type { Clock } from '../core/clock.js';
import { RegistryError, RookeryError } from '../core/errors.js';
import { INSTANCE_DEFAULTS, type ServiceInstance } from '../core/instance.js';
import type { Rng } from '../core/random.js';
import type { InstanceQuery, ServiceRegistry } from '../registry/service-registry.js';
import type { OnDiscoveryEvent } from './discovery-event.js';
import type { DiscoverySettings } from './discovery-options.js';
import type { ProbeInstance } from './prober.js';
import { Resolver } from './resolver.js';
import type { SnapshotStore } from './snapshot-store.js';

export interface TargetInit<E extends Endpoint> {
  readonly serviceName: string;
  /** Narrows which instances are meant. */
  readonly query?: InstanceQuery | undefined;
  readonly registry: ServiceRegistry;
  readonly balancer: BalancerFactory;
  readonly clock: Clock;
  readonly rng: Rng;
  /** The caller's own zone and instance id, for balancers that care. */
  readonly zone?: string | undefined;
  readonly callerId: string;
  /** Shared by all targets; not closed by this one. */
  readonly snapshots: SnapshotStore;
  readonly probe: ProbeInstance;
  readonly createEndpoint: (instance: ServiceInstance, nowMs: number) => E;
  /** The endpoint is no longer picked: close its connections once its calls have ended. */
  readonly onEndpointRemoved?: ((endpoint: E) => void) | undefined;
  readonly settings?: DiscoverySettings | undefined;
  readonly onEvent?: OnDiscoveryEvent | undefined;
}

/** A service name with live endpoints behind it. */
export class Target<E extends Endpoint = Endpoint> {
  private readonly resolver: Resolver;
  private readonly set: EndpointSet<E>;
  private isClosed = false;

  constructor(private readonly init: TargetInit<E>) {
    const { serviceName, clock, rng, zone, callerId, createEndpoint, onEndpointRemoved } = init;
    const balancer = init.balancer({ serviceName, clock, rng, zone, callerId });
    this.set = new EndpointSet<E>({ balancer, clock, createEndpoint, onRemoved: onEndpointRemoved ?? (() => {}) });
    this.resolver = new Resolver({ ...init, onInstances: (serving) => this.set.update(serving) });
  }

  get serviceName(): string {
    return this.init.serviceName;
  }

  get endpoints(): readonly E[] {
    return this.set.endpoints;
  }

  /** Endpoints that a pick may return. */
  get pickableCount(): number {
    return this.set.pickableCount;
  }

  get isSettled(): boolean {
    return this.resolver.isSettled;
  }

  /** Starts to follow the service; the first call does it. */
  open(): void {
    this.resolver.open();
  }

  /** Resolves when a pick makes sense: the registry answered, or failed. @throws the signal's reason */
  whenSettled(signal?: AbortSignal): Promise<void> {
    return this.resolver.whenSettled(signal);
  }

  /**
   * The endpoint for a call; pair it with one `done`.
   *
   * @throws RookeryError `NO_INSTANCE`, RegistryError `REGISTRY_UNREACHABLE` (nothing is known), RookeryError `CLIENT_CLOSED`
   */
  pick(call: PickRequest, nowMs?: number): E {
    const endpoint = this.set.pick(call, nowMs);
    if (endpoint === undefined) throw this.noEndpoint(call);
    return endpoint;
  }

  done(endpoint: E, sample: CallSample): void {
    this.set.done(endpoint, sample);
  }

  /** An endpoint that cannot be connected to, or drains, is picked only when all are so. */
  setReachable(endpoint: E, isReachable: boolean): void {
    this.set.setReachable(endpoint, isReachable);
  }

  /** The instance announced that it goes away. */
  confirmGone(instanceId: string): void {
    this.resolver.confirmGone(instanceId);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.resolver.close();
    this.set.close();
  }

  private noEndpoint({ excluded }: PickRequest): RookeryError {
    const { serviceName: service, registry, query } = this.init;
    const name = JSON.stringify(service);
    if (this.isClosed) return new RookeryError('CLIENT_CLOSED', `call of ${name} after close`, { service });
    const known = this.resolver.instances;
    if (known.length === 0) return this.nothingKnown(name);

    const serving = this.set.endpoints.length;
    const problem =
      serving === 0
        ? `none takes calls (${shown(known)}); switch one on, or wait until it is up and healthy`
        : (excluded?.length ?? 0) > 0
          ? `those that take calls (${serving}) were all tried for this call; see the cause of the last attempt`
          : `those that take calls (${serving}) all have weight 0; give one a weight`;
    const message = `${name} in ${registry.name}: of ${known.length} known, ${problem}${scope(query)}`;
    return new RookeryError('NO_INSTANCE', message, { service });
  }

  private nothingKnown(name: string): RookeryError {
    const { serviceName: service, registry, query } = this.init;
    const { state, error: cause } = this.resolver;
    if (state === 'failed') {
      const message = `${registry.name} does not answer, and no list of ${name} from before is at hand; start the registry, or check its address`;
      return new RegistryError('REGISTRY_UNREACHABLE', `${message}${cause ? `: ${cause.message}` : ''}`, {
        service,
        cause,
      });
    }
    if (state === 'pending') {
      const message = `${registry.name} has not answered yet where ${name} is; wait for it before the call`;
      return new RegistryError('REGISTRY_UNREACHABLE', message, { service });
    }
    const message = `no instance of ${name} in ${registry.name}; start one, or check the name${scope(query)}`;
    return new RookeryError('NO_INSTANCE', message, { service });
  }
}

/** Where it was looked for: a wrong group looks just like a service that is not there. */
function scope(query: InstanceQuery = {}): string {
  const asked = {
    namespaceId: INSTANCE_DEFAULTS.namespaceId,
    groupName: INSTANCE_DEFAULTS.groupName,
    ...query,
  };
  const parts = Object.entries(asked).filter(([key, value]) => value !== undefined && key !== 'healthyOnly');
  return ` (asked for ${parts.map(([key, value]) => `${key} ${JSON.stringify(value)}`).join(', ')})`;
}

/** `2 draining, 1 unhealthy`. */
function shown(instances: readonly ServiceInstance[]): string {
  const counts = new Map<string, number>();
  for (const { enabled, status, healthy } of instances) {
    const why = !enabled ? 'disabled' : status !== 'up' ? status : healthy ? 'up' : 'unhealthy';
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return [...counts].map(([why, count]) => `${count} ${why}`).join(', ');
}
