import type { Clock } from '../core/clock.js';
import type { RookeryError } from '../core/errors.js';
import { matchesQuery, resolutionOf } from '../registry/instance-query.js';
import { ResolutionDelivery } from '../registry/resolution-delivery.js';
import type { InstanceQuery, Resolution, ResolutionListener, Unsubscribe } from '../registry/service-registry.js';
import { InstanceView } from './instance-view.js';
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
  readonly ttlMs: () => number;
  /** The last listener has left. */
  readonly onIdle: () => void;
}

/** A service as the registry tells it, for all listeners in this process that follow it: one stream on the wire. */
export class ServiceMirror {
  private readonly stream: StandingStream;
  private readonly view: InstanceView;
  private readonly deliveries = new Set<ResolutionDelivery>();
  /** Why the registry tells nothing at present. */
  private failure: RookeryError | undefined;

  constructor(private readonly init: ServiceMirrorInit) {
    const { link, clock, service, where, ttlMs } = init;
    this.view = new InstanceView({ clock, ttlMs, onChanged: () => this.tell() });
    this.stream = new StandingStream(link, clock, RegistryPattern.WATCH, service, {
      onBegin: (registryId) => this.view.begin(registryId),
      next: (value) => this.hear(value as WatchMessage),
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
    this.view.close();
    for (const delivery of this.deliveries) delivery.stop();
    this.deliveries.clear();
  }

  private remove(delivery: ResolutionDelivery): void {
    delivery.stop();
    if (!this.deliveries.delete(delivery) || this.deliveries.size > 0) return;
    this.close();
    this.init.onIdle();
  }

  private hear(message: WatchMessage): void {
    if (!message.more) this.failure = undefined;
    this.view.apply(message);
  }

  private fail(error: RookeryError): void {
    // Each further attempt fails with an error of its own, which is no news.
    if (this.failure?.reason !== error.reason) this.failure = error;
    this.tell();
  }

  private resolve(query: InstanceQuery): Resolution {
    if (this.failure) return { state: 'failed', error: this.failure };
    if (!this.view.isComplete) return { state: 'pending' };
    return resolutionOf([...this.view.instances].filter((instance) => matchesQuery(instance, query)));
  }

  private tell(): void {
    for (const delivery of this.deliveries) delivery.changed();
  }
}
