import type { Clock, Timer } from '../core/clock.js';
import { serviceInstance, type ServiceInstance } from '../core/instance.js';
import type { WatchMessage } from './registry-protocol.js';

export interface InstanceViewInit {
  readonly clock: Clock;
  /** The registry's lease, in ms. */
  readonly ttlMs: () => number;
  /** The list is complete, and may be another one than before. */
  readonly onChanged: () => void;
}

/**
 * The instances of a service as a watch tells them, over all streams the watch has had.
 *
 * The first list after an interruption is not taken for the whole truth, for everybody else was interrupted too:
 *
 * - A registry that restarted begins with an empty list. Who is missing stays in view until the registry has had the time to hear
 *   from everybody.
 * - A registry that lost its connections has marked everybody unhealthy. Who was healthy before stays so for the length of a lease.
 *
 * Whatever it tells of an instance after that first list counts at once.
 */
export class InstanceView {
  private listed = new Map<string, ServiceInstance>();
  /** As they were known before the interruption; these records count, until told otherwise or the time is over. */
  private held = new Map<string, ServiceInstance>();
  private holdTimer: Timer | undefined;
  /** The stream's registry, and the one the list is from. */
  private registryId: string | undefined;
  private knownFrom: string | undefined;
  private holdMs = 0;
  private isState = false;
  private isWhole = false;

  constructor(private readonly init: InstanceViewInit) {}

  /** False until there is a first list, and while a new one arrives in parts. */
  get isComplete(): boolean {
    return this.isWhole;
  }

  get instances(): Iterable<ServiceInstance> {
    return this.held.size === 0 ? this.listed.values() : new Map([...this.listed, ...this.held]).values();
  }

  /** What comes from now on is said by this registry: a fresh id with each of its starts. */
  begin(registryId: string): void {
    this.registryId = registryId;
  }

  apply({ reset, warmingMs = 0, set, gone, more }: WatchMessage): void {
    if (reset === true) this.reset(warmingMs);
    for (const id of gone) this.forget(id);
    for (const record of set) this.put(record);
    this.isWhole = !more;
    if (more) return;
    if (this.isState) this.endState();
    this.init.onChanged();
  }

  close(): void {
    this.holdTimer?.cancel();
  }

  private get isRestarted(): boolean {
    return this.registryId !== this.knownFrom;
  }

  private reset(warmingMs: number): void {
    this.holdTimer?.cancel();
    this.holdMs = this.isRestarted ? warmingMs : this.init.ttlMs();
    this.held = new Map(this.holdMs > 0 ? [...this.listed, ...this.held] : []);
    this.listed = new Map();
    this.isState = true;
  }

  private put(told: ServiceInstance): void {
    const record = validated(told);
    if (!record) return;
    const { instanceId } = record;
    this.listed.set(instanceId, record);
    if (!this.isDoubtful(record)) this.held.delete(instanceId);
  }

  /** In the first list after an interruption: unhealthy, and was not before. */
  private isDoubtful({ instanceId, healthy }: ServiceInstance): boolean {
    return this.isState && !healthy && !this.isRestarted && this.held.get(instanceId)?.healthy === true;
  }

  private forget(instanceId: string): void {
    this.listed.delete(instanceId);
    this.held.delete(instanceId);
  }

  private endState(): void {
    // Who is missing at a registry that did not restart has left it.
    if (!this.isRestarted) for (const id of this.held.keys()) if (!this.listed.has(id)) this.held.delete(id);
    this.isState = false;
    this.knownFrom = this.registryId;
    if (this.held.size > 0) this.holdTimer = this.init.clock.after(this.holdMs, () => this.endHold());
  }

  private endHold(): void {
    this.held.clear();
    this.init.onChanged();
  }
}

/** The record, or `undefined`. The registry has checked it; this is against a registry that is none of ours. */
export function validated(record: ServiceInstance): ServiceInstance | undefined {
  try {
    return serviceInstance(record);
  } catch {
    return undefined;
  }
}
