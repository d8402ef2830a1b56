import type { Clock } from '../core/clock.js';
import type { ServiceInstance } from '../core/instance.js';
import type { Balancer, CallSample, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';

export interface EndpointSetOptions<E extends Endpoint> {
  /** Owned by the set from now on, which closes it. */
  balancer: Balancer;
  clock: Clock;
  /** Called for each instance that is new to the set. */
  createEndpoint: (instance: ServiceInstance, nowMs: number) => E;
  /** Called once for each endpoint that has left, while calls to it may still be in flight: `done` is called for these too. */
  onRemoved?: ((endpoint: E) => void) | undefined;
}

/**
 * The endpoints of one service as its registry lists them, and the books about their calls. An endpoint keeps its object, connections
 * and statistics for as long as its id and address are listed; everything else of the record may change under it.
 *
 * The balancer is told of changes at the next pick, so a hundred connections lost in one moment cost one update.
 */
export class EndpointSet<E extends Endpoint> {
  private readonly members = new Map<string, E>();
  private list: readonly E[] = [];
  private pickable: readonly E[] = [];
  private isStale = false;
  private readonly balancer: Balancer;
  private readonly clock: Clock;

  constructor(private readonly options: EndpointSetOptions<E>) {
    this.balancer = options.balancer;
    this.clock = options.clock;
  }

  /** All members, also those that get no calls: who stays keeps its place among the others, who is new is last. */
  get endpoints(): readonly E[] {
    return this.list;
  }

  get size(): number {
    return this.list.length;
  }

  /**
   * Takes over a registry's list. Of two records with one id the later counts; of two ids at one address too, for the address can be
   * home to one process only: the other's lease has not run out yet.
   */
  update(instances: readonly ServiceInstance[]): void {
    const listed = onePerIdAndAddress(instances);
    for (const [instanceId, endpoint] of this.members) {
      const instance = listed.get(instanceId);
      if (instance && isAtSameAddress(instance, endpoint.instance)) endpoint.instance = instance;
      else this.remove(endpoint);
    }
    const nowMs = this.clock.now();
    for (const [instanceId, instance] of listed) {
      if (!this.members.has(instanceId)) this.members.set(instanceId, this.options.createEndpoint(instance, nowMs));
    }
    this.membersChanged();
  }

  /** Members that a pick may return: those whose weight is not 0. */
  get pickableCount(): number {
    return this.pickable.length;
  }

  /** An endpoint that cannot be reached gets no calls while another can, unless that one is excluded. */
  setReachable(endpoint: E, isReachable: boolean): void {
    if (endpoint.isReachable === isReachable) return;
    endpoint.isReachable = isReachable;
    this.isStale = true;
  }

  /**
   * The endpoint for one call, which must be followed by `done` exactly once. `undefined` where there is none, where all that may be
   * picked are excluded, and where all have weight 0: that is how an operator says "nobody".
   *
   * @param nowMs the clock's time, where the caller has just read it
   */
  pick(call: PickRequest, nowMs = this.clock.now()): E | undefined {
    if (this.isStale) this.updateBalancer();
    const endpoint = (this.balancer.pick(call, nowMs) as E | undefined) ?? this.lastResort(call);
    if (endpoint === undefined) return undefined;
    endpoint.inFlight++;
    endpoint.pickedAtMs = nowMs;
    return endpoint;
  }

  /** How a picked call ended; also for an endpoint that has left since. */
  done(endpoint: E, sample: CallSample): void {
    endpoint.inFlight--;
    if (sample.result === 'success') {
      endpoint.consecutiveFailures = 0;
      endpoint.latency.add(sample.latencyMs, sample.nowMs);
    } else if (sample.result === 'failure') {
      endpoint.consecutiveFailures++;
      endpoint.latency.addFailure(sample.latencyMs, sample.nowMs);
    }
    this.balancer.observe?.(endpoint, sample);
  }

  /** Removes all endpoints and closes the balancer. */
  close(): void {
    this.update([]);
    this.updateBalancer();
    this.balancer.close?.();
  }

  private remove(endpoint: E): void {
    this.members.delete(endpoint.instanceId);
    this.options.onRemoved?.(endpoint);
  }

  private membersChanged(): void {
    this.list = [...this.members.values()];
    this.pickable = this.list.filter((endpoint) => endpoint.instance.weight > 0);
    this.isStale = true;
  }

  private updateBalancer(): void {
    this.isStale = false;
    const reachable = this.pickable.filter((endpoint) => endpoint.isReachable);
    this.balancer.update(reachable.length > 0 ? reachable : this.pickable);
  }

  /** All that can be reached have failed this call: of those that could not, the one whose last trial is longest ago. */
  private lastResort({ excluded = [] }: PickRequest): E | undefined {
    if (excluded.length === 0) return undefined;
    const rest = this.pickable.filter((endpoint) => !excluded.includes(endpoint));
    return rest.toSorted((a, b) => a.pickedAtMs - b.pickedAtMs)[0];
  }
}

function onePerIdAndAddress(instances: readonly ServiceInstance[]): Map<string, ServiceInstance> {
  const byId = new Map<string, ServiceInstance>();
  for (const instance of instances) {
    byId.delete(instance.instanceId);
    byId.set(instance.instanceId, instance);
  }
  const byAddress = new Map(Array.from(byId.values(), (instance) => [`${instance.ip} ${instance.port}`, instance]));
  return new Map(Array.from(byAddress.values(), (instance) => [instance.instanceId, instance]));
}

function isAtSameAddress(a: ServiceInstance, b: ServiceInstance): boolean {
  return a.ip === b.ip && a.port === b.port;
}
