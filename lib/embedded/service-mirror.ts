import type { Clock, Timer } from '../core/clock.js';
import type { RookeryError } from '../core/errors.js';
import { serviceInstance, type ServiceInstance } from '../core/instance.js';
import { matchesQuery, resolutionOf } from '../registry/instance-query.js';
import { ResolutionDelivery } from '../registry/resolution-delivery.js';
import type { InstanceQuery, Resolution, ResolutionListener, Unsubscribe } from '../registry/service-registry.js';
import { registryFailure } from './registry-failure.js';
import type { RegistryLink } from './registry-link.js';
import { RegistryPattern, type WatchMessage } from './registry-protocol.js';
import { StandingStream } from './standing-stream.js';
import type { ServiceRef } from './wire-query.js';

export interface ServiceMirrorInit {
  readonly link: RegistryLink;
  readonly clock: Clock;
  readonly service: ServiceRef;
  /** Names the registry in errors. */
  readonly where: string;
  /** The last listener has left. */
  readonly onIdle: () => void;
}

/**
 * A service as the registry tells it, for all listeners in this process that follow it: one stream on the wire.
 *
 * A registry that restarted begins with an empty list. What was known before is kept beside the new list, until it is confirmed there or
 * the registry says that everybody had the time to come back.
 */
export class ServiceMirror {
  private readonly stream: StandingStream;
  private readonly deliveries = new Set<ResolutionDelivery>();
  private instances = new Map<string, ServiceInstance>();
  /** Known from the registry's previous life, and not confirmed by the present one. */
  private unconfirmed = new Map<string, ServiceInstance>();
  private warming: Timer | undefined;
  /** Which life of the registry the list is from. */
  private knownFrom: string | undefined;
  private registryId = '';
  private isComplete = false;
  private failure: RookeryError | undefined;

  constructor(private readonly init: ServiceMirrorInit) {
    const { link, clock, service, where } = init;
    this.stream = new StandingStream(link, clock, RegistryPattern.WATCH, service, {
      onBegin: (registryId) => (this.registryId = registryId),
      next: (value) => this.apply(value as WatchMessage),
      onBroken: (error) => this.fail(registryFailure(error, where)),
    });
  }

  open(): void {
    this.stream.open();
  }

  add(listener: ResolutionListener, query: InstanceQuery): Unsubscribe {
    const delivery = new ResolutionDelivery(() => this.resolve(query), listener);
    this.deliveries.add(delivery);
    delivery.changed();
    return () => this.remove(delivery);
  }

  close(): void {
    this.stream.close();
    this.warming?.cancel();
    for (const delivery of this.deliveries) delivery.stop();
    this.deliveries.clear();
  }

  private remove(delivery: ResolutionDelivery): void {
    delivery.stop();
    if (!this.deliveries.delete(delivery) || this.deliveries.size > 0) return;
    this.close();
    this.init.onIdle();
  }

  private apply({ reset, warmingMs = 0, set, gone, more }: WatchMessage): void {
    if (reset === true) this.reset(warmingMs);
    for (const id of gone) this.forget(id);
    for (const record of set) this.keep(record);
    this.isComplete = !more;
    if (more) return;
    this.failure = undefined;
    this.tell();
  }

  private reset(warmingMs: number): void {
    this.warming?.cancel();
    const isRestarted = this.knownFrom !== undefined && this.knownFrom !== this.registryId;
    this.unconfirmed = isRestarted && warmingMs > 0 ? this.all : new Map();
    if (this.unconfirmed.size > 0) this.warming = this.init.clock.after(warmingMs, () => this.endWarming());
    this.instances = new Map();
    this.knownFrom = this.registryId;
  }

  private endWarming(): void {
    this.unconfirmed.clear();
    this.tell();
  }

  private keep(record: ServiceInstance): void {
    const instance = validated(record);
    if (!instance) return;
    this.unconfirmed.delete(instance.instanceId);
    this.instances.set(instance.instanceId, instance);
  }

  private forget(instanceId: string): void {
    this.unconfirmed.delete(instanceId);
    this.instances.delete(instanceId);
  }

  private fail(error: RookeryError): void {
    // Each further attempt fails with an error of its own, which is no news.
    if (this.failure?.reason !== error.reason) this.failure = error;
    this.tell();
  }

  private get all(): Map<string, ServiceInstance> {
    return this.unconfirmed.size === 0 ? this.instances : new Map([...this.unconfirmed, ...this.instances]);
  }

  private resolve(query: InstanceQuery): Resolution {
    if (this.failure) return { state: 'failed', error: this.failure };
    if (!this.isComplete) return { state: 'pending' };
    return resolutionOf([...this.all.values()].filter((instance) => matchesQuery(instance, query)));
  }

  private tell(): void {
    for (const delivery of this.deliveries) delivery.changed();
  }
}

/** The registry has checked its records; this is against a registry that is none of ours. */
function validated(record: ServiceInstance): ServiceInstance | undefined {
  try {
    return serviceInstance(record);
  } catch {
    return undefined;
  }
}
