import type { ServiceInstance } from '../core/instance.js';
import { invalidOption } from '../core/options.js';
import { askAll, CompositeWrites, errorsOf, throwIfAllFailed, type Answer } from './composite-writes.js';
import { resolutionOf } from './instance-query.js';
import { joinErrors, mergeResolutions, Part, type MergeMode } from './merge-resolutions.js';
import { ResolutionDelivery } from './resolution-delivery.js';
import type {
  InstanceQuery,
  ResolutionListener,
  ServiceQuery,
  ServiceRegistry,
  Unsubscribe,
} from './service-registry.js';

export interface CompositeRegistryOptions {
  /**
   * `union` reads the instances of all registries (moving from one to another); `first` those of the first, in order, that has any
   * (a static list as the fallback).
   *
   * @default 'union'
   */
  mode?: MergeMode | undefined;
}

/**
 * Several registries as one: written to all of them but the read-only ones, read from all of them.
 *
 * A write fails when every registry refuses it. Where only some do, the next heartbeat makes it good: `renew` registers again in each
 * registry that lost, or never had, the instance, as long as another one still has it. When none has, `renew` throws `LEASE_LOST` and
 * the registrar registers everywhere. What a registry missed of a deregistration ends with its lease. How several answers make one
 * resolution is told at `mergeResolutions`.
 *
 * The registries belong to it: `close()` closes them.
 *
 * ```ts
 * compositeRegistry([consulRegistry({ … }), nacosRegistry({ … })]);
 * compositeRegistry([consulRegistry({ … }), staticRegistry({ … })], { mode: 'first' });
 * ```
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function compositeRegistry(
  registries: readonly ServiceRegistry[],
  { mode = 'union' }: CompositeRegistryOptions = {},
): CompositeRegistry {
  if (!Array.isArray(registries) || registries.length === 0) {
    throw invalidOption('compositeRegistry', 'a list of at least one registry', registries);
  }
  if (mode !== 'union' && mode !== 'first') throw invalidOption('compositeRegistry.mode', `'union' or 'first'`, mode);
  return new CompositeRegistry([...registries], mode);
}

/**
 * @publicApi
 */
export class CompositeRegistry implements ServiceRegistry {
  readonly name: string;
  /** The shortest lease, so that a heartbeat serves all. */
  readonly leaseTtlMs: number | undefined;
  readonly isReadOnly: boolean;
  private readonly writes: CompositeWrites;
  private readonly watches = new Set<Unsubscribe>();

  constructor(
    private readonly registries: readonly ServiceRegistry[],
    private readonly mode: MergeMode,
  ) {
    const writable = registries.filter(({ isReadOnly }) => !isReadOnly);
    this.isReadOnly = writable.length === 0;
    this.writes = new CompositeWrites(writable);
    this.name = registries.map(({ name }) => name).join('+');
    const ttls = registries.flatMap(({ leaseTtlMs }) => leaseTtlMs ?? []);
    this.leaseTtlMs = ttls.length > 0 ? Math.min(...ttls) : undefined;
  }

  register(instance: ServiceInstance): Promise<void> {
    return this.writes.toAll(instance, (registry) => registry.register(instance));
  }

  deregister(instance: ServiceInstance): Promise<void> {
    return this.writes.toAll(instance, (registry) => registry.deregister(instance));
  }

  renew(instance: ServiceInstance): Promise<void> {
    return this.writes.renew(instance);
  }

  /** What the registries that answer know. It throws where that is nothing and another one might know better. */
  async getInstances(serviceName: string, query: InstanceQuery = {}): Promise<ServiceInstance[]> {
    const answers = await askAll(this.registries, (registry) => registry.getInstances(serviceName, query));
    const merged = mergeResolutions(answers.map(toPart), this.mode);
    if (merged.state === 'failed') throw merged.error;
    return merged.state === 'found' ? [...merged.instances] : [];
  }

  watchInstances(serviceName: string, listener: ResolutionListener, query: InstanceQuery = {}): Unsubscribe {
    const parts = this.registries.map(() => new Part());
    const delivery = new ResolutionDelivery(() => mergeResolutions(parts, this.mode), listener);
    const stops = this.registries.map((registry, index) =>
      registry.watchInstances(
        serviceName,
        (resolution) => {
          parts[index]?.hear(resolution);
          delivery.changed();
        },
        query,
      ),
    );
    const stop = () => {
      this.watches.delete(stop);
      delivery.stop();
      for (const stopPart of stops) stopPart();
    };
    this.watches.add(stop);
    return stop;
  }

  /** The names that the registries which answer know. */
  async listServices(query: ServiceQuery = {}): Promise<string[]> {
    const answers = await askAll(this.registries, (registry) => registry.listServices(query));
    throwIfAllFailed(answers);
    return [...new Set(answers.flatMap(({ value }) => value ?? []))].sort();
  }

  async close(): Promise<void> {
    for (const stop of this.watches) stop();
    const answers = await askAll(this.registries, (registry) => registry.close());
    const errors = errorsOf(answers);
    if (errors.length > 0) throw joinErrors(errors);
  }
}

function toPart({ value = [], error }: Answer<ServiceInstance[]>): Part {
  const part = new Part();
  part.hear(error ? { state: 'failed', error } : resolutionOf(value));
  return part;
}
