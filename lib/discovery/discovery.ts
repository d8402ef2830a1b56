import type { Endpoint } from '../balancing/endpoint.js';
import type { InstanceQuery } from '../registry/service-registry.js';
import { scopedKey } from './scoped-key.js';
import { Target, type TargetInit } from './target.js';

/** What all targets of a process share. */
export type DiscoveryInit<E extends Endpoint> = Omit<TargetInit<E>, 'serviceName' | 'query'>;

/** The targets of one process: whoever calls the same service shares its endpoints, and what was learnt about them. */
export class Discovery<E extends Endpoint = Endpoint> {
  private readonly targets = new Map<string, Target<E>>();

  constructor(private readonly init: DiscoveryInit<E>) {}

  /**
   * The target of a service, made at its first use and kept until `close`. Not for every call: hold on to it.
   *
   * @param overrides what this target does its own way (its balancer, for one); counts when the target is made
   */
  target(serviceName: string, query?: InstanceQuery, overrides: Partial<DiscoveryInit<E>> = {}): Target<E> {
    const key = scopedKey(serviceName, query);
    const known = this.targets.get(key);
    if (known !== undefined) return known;
    const target = new Target<E>({ ...this.init, ...overrides, serviceName, query });
    this.targets.set(key, target);
    return target;
  }

  /** Every target made so far. */
  get all(): readonly Target<E>[] {
    return [...this.targets.values()];
  }

  /** Closes all targets, then the snapshot store, which has written everything when this resolves. The registry is its owner's. */
  async close(): Promise<void> {
    for (const target of this.targets.values()) target.close();
    this.targets.clear();
    await this.init.snapshots.close();
  }
}
