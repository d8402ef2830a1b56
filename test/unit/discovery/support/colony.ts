import type { ServiceInstance } from '../../../../lib/core/instance.js';
import { seededRng } from '../../../../lib/core/random.js';
import type { DiscoveryEvent } from '../../../../lib/discovery/discovery-event.js';
import { discoverySettings, type DiscoveryOptions } from '../../../../lib/discovery/discovery-options.js';
import { Resolver } from '../../../../lib/discovery/resolver.js';
import type { SnapshotStore } from '../../../../lib/discovery/snapshot-store.js';
import type { ServiceRegistry } from '../../../../lib/registry/service-registry.js';
import { FakeClock } from '../../../../lib/testing/fake-clock.js';
import { ids } from './instances.js';
import { MemorySnapshots } from './memory-snapshots.js';
import { ScriptedRegistry } from './scripted-registry.js';

/** What answers a probe: `undefined` cannot be asked. */
export type Fate = boolean | undefined;

/** A resolver of `orders` with everything around it in the test's hands. */
export class Following<R extends ServiceRegistry = ScriptedRegistry> {
  readonly clock = new FakeClock();
  readonly events: DiscoveryEvent[] = [];
  readonly probes: { id: string; atMs: number }[] = [];
  /** By instance id; who is not named answers. */
  readonly fates = new Map<string, Fate>();
  readonly resolver: Resolver;
  serving: readonly ServiceInstance[] = [];

  constructor(
    readonly registry: R,
    readonly snapshots: SnapshotStore = new MemorySnapshots(),
    options: DiscoveryOptions = {},
  ) {
    this.resolver = new Resolver({
      serviceName: 'orders',
      registry,
      snapshots,
      clock: this.clock,
      rng: seededRng(7),
      settings: discoverySettings(options),
      probe: (instance) => this.probe(instance),
      onInstances: (serving) => (this.serving = serving),
      onEvent: (event) => this.events.push(event),
    });
    this.resolver.open();
  }

  get servingIds(): string[] {
    return ids(this.serving);
  }

  eventsOf<T extends DiscoveryEvent['type']>(type: T): Extract<DiscoveryEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<DiscoveryEvent, { type: T }> => event.type === type);
  }

  probesOf(id: string): number[] {
    return this.probes.filter((probe) => probe.id === id).map(({ atMs }) => atMs);
  }

  /** Lets promises settle; no time passes. */
  settle(): Promise<void> {
    return this.clock.advanceAsync(0);
  }

  private async probe({ instanceId }: ServiceInstance): Promise<boolean> {
    this.probes.push({ id: instanceId, atMs: this.clock.now() });
    const fate = this.fates.has(instanceId) ? this.fates.get(instanceId) : true;
    if (fate === undefined) throw new Error('EMFILE: too many open files');
    return fate;
  }
}

export function following(options?: DiscoveryOptions, onDisk?: readonly unknown[]): Following {
  return new Following(new ScriptedRegistry(), new MemorySnapshots(onDisk), options);
}
