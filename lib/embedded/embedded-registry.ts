import { TimerWheel } from '../core/timer-wheel.js';
import { serviceInstance, type ServiceInstance } from '../core/instance.js';
import { guarded } from '../registry/change-feed.js';
import type { InstanceEvent } from '../registry/instance-table.js';
import { registryClosed } from '../registry/registry-errors.js';
import { ResolutionDelivery } from '../registry/resolution-delivery.js';
import type {
  InstanceQuery,
  ResolutionListener,
  ServiceQuery,
  ServiceRegistry,
  Unsubscribe,
} from '../registry/service-registry.js';
import { Dialer } from '../transport/dialer.js';
import { KEEP_ALIVE_TIMES } from '../transport/keep-alive.js';
import { standardCodecs } from '../wire/standard-codecs.js';
import {
  embeddedRegistrySettings,
  type EmbeddedRegistryOptions,
  type EmbeddedRegistrySettings,
} from './embedded-registry-options.js';
import { HostOrJoin } from './host-or-join.js';
import { validated } from './instance-view.js';
import { Join } from './join.js';
import { RegistryLink } from './registry-link.js';
import { RegistryPattern, type EventsMessage, type RegistryStats } from './registry-protocol.js';
import { RegistryServer } from './registry-server.js';
import { Registrations } from './registrations.js';
import { ServiceMirror } from './service-mirror.js';
import { StandingStream, type StandingStreamObserver } from './standing-stream.js';

/**
 * The registry that needs nothing installed.
 *
 * Without an address, processes of one machine find each other by themselves: the first one that uses the registry hosts it on
 * 127.0.0.1:7665, the others join; when the host ends, another one takes over within a second, and everybody is registered again. Where
 * services run on several machines or in containers, run `npx rookery registry` and name it with `address` or ROOKERY_REGISTRY.
 *
 * ```ts
 * RookeryModule.forRoot({ service: 'orders', registry: embeddedRegistry({ address: 'registry.internal:7665', auth }) });
 * ```
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function embeddedRegistry(options: EmbeddedRegistryOptions = {}): EmbeddedRegistry {
  return new EmbeddedRegistry(options, embeddedRegistrySettings(options, process.env));
}

/** What to discover; unlike in a look-up, only instances that take calls, unless `healthyOnly` is `false`. */
export interface DiscoverQuery extends InstanceQuery {
  /** One service; without it all services of the namespace and group. */
  serviceName?: string | undefined;
}

/** `missed`: events that could not be told, for the reader was too slow (`count` of them) or the registry was away (`count` is unknown). */
export type RegistryEvent = InstanceEvent | { readonly type: 'missed'; readonly count: number | undefined };

/**
 * A client of the embedded registry; opened by its first use.
 *
 * @publicApi
 */
export class EmbeddedRegistry implements ServiceRegistry {
  readonly name: string;
  private readonly entrance: Join | HostOrJoin;
  private readonly link: RegistryLink;
  private readonly registrations: Registrations;
  private readonly mirrors = new Map<string, ServiceMirror>();
  private readonly eventStreams = new Set<StandingStream>();
  private ttlMs: number;
  private isClosed = false;

  /** Use `embeddedRegistry`. */
  constructor(
    options: EmbeddedRegistryOptions,
    private readonly settings: EmbeddedRegistrySettings,
  ) {
    const { clock, rng, callTimeoutMs, reregisterJitterMs, ttlMs } = settings;
    // Coarse: nothing here counts in milliseconds, and each tick wakes the process.
    const wheel = new TimerWheel(clock, 50);
    this.ttlMs = ttlMs;
    this.entrance = createEntrance(options, settings, wheel);
    this.name = `embedded:${this.entrance.where}`;
    this.link = new RegistryLink({ entrance: this.entrance, name: this.name, clock, rng, wheel, callTimeoutMs });
    this.registrations = new Registrations({
      link: this.link,
      clock,
      rng,
      reregisterJitterMs,
      onLease: (leaseMs) => (this.ttlMs = leaseMs),
    });
  }

  /** The registry's own, once it answered; until then the `ttl` option. */
  get leaseTtlMs(): number {
    return this.ttlMs;
  }

  /** Whether the registry runs in this process. */
  get isHost(): boolean {
    return this.entrance instanceof HostOrJoin && this.entrance.isHost;
  }

  async register(instance: ServiceInstance): Promise<void> {
    await this.registrations.register(serviceInstance(instance));
  }

  deregister(instance: ServiceInstance): Promise<void> {
    return this.registrations.deregister(instance);
  }

  renew(instance: ServiceInstance): Promise<void> {
    return this.registrations.renew(instance);
  }

  getInstances(serviceName: string, query: InstanceQuery = {}): Promise<ServiceInstance[]> {
    return this.look({ ...query, serviceName });
  }

  /** Instances by service, version, tags and metadata, over all services where none is named. */
  discover(query: DiscoverQuery = {}): Promise<ServiceInstance[]> {
    return this.look({ ...query, healthyOnly: query.healthyOnly ?? true });
  }

  watchInstances(serviceName: string, listener: ResolutionListener, query: InstanceQuery = {}): Unsubscribe {
    if (this.isClosed) return this.tellClosed(listener);
    const { namespaceId = '', groupName = '' } = query;
    const key = [namespaceId, groupName, serviceName].join('/');
    const known = this.mirrors.get(key);
    if (known) return known.add(listener, query);
    const mirror = this.createMirror(key, serviceName, query);
    const stop = mirror.add(listener, query);
    mirror.open();
    return stop;
  }

  /**
   * Follows what happens, to one service or to all of all namespaces: an instance was `registered`, `updated`, `deregistered`, became
   * `healthy` or `unhealthy`, or its lease `expired`.
   *
   * @returns stops it
   */
  watchEvents(listener: (event: RegistryEvent) => void, serviceName?: string, query: ServiceQuery = {}): Unsubscribe {
    if (this.isClosed) return () => undefined;
    const tell = (event: RegistryEvent) => this.eventStreams.has(stream) && guarded(listener, event);
    const observer = new EventsObserver(tell);
    const data = { ...query, serviceName };
    const stream = new StandingStream(this.link, this.settings.clock, RegistryPattern.EVENTS, data, observer);
    this.eventStreams.add(stream);
    stream.open();
    return () => {
      this.eventStreams.delete(stream);
      stream.close();
    };
  }

  async listServices(query: ServiceQuery = {}): Promise<string[]> {
    const pages = (await this.link.collect(RegistryPattern.SERVICES, scopeOf(query))) as string[][];
    return pages.flat();
  }

  /** What the registry says about itself. */
  async stats(): Promise<RegistryStats> {
    return (await this.link.ask(RegistryPattern.STATS, undefined)) as RegistryStats;
  }

  /** Ends watches and the connection, and with it the registry, where it runs in this process: another one takes over. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const mirror of this.mirrors.values()) mirror.close();
    for (const stream of this.eventStreams) stream.close();
    this.mirrors.clear();
    this.eventStreams.clear();
    this.registrations.close();
    await this.link.close();
    await this.entrance.close();
  }

  private async look(query: DiscoverQuery): Promise<ServiceInstance[]> {
    const pages = (await this.link.collect(RegistryPattern.INSTANCES, query)) as ServiceInstance[][];
    return pages.flat().flatMap((record) => validated(record) ?? []);
  }

  private createMirror(key: string, serviceName: string, query: ServiceQuery): ServiceMirror {
    const mirror = new ServiceMirror({
      link: this.link,
      clock: this.settings.clock,
      service: { serviceName, ...scopeOf(query) },
      where: this.entrance.where,
      ttlMs: () => this.ttlMs,
      onIdle: () => this.mirrors.delete(key),
    });
    this.mirrors.set(key, mirror);
    return mirror;
  }

  private tellClosed(listener: ResolutionListener): Unsubscribe {
    const error = registryClosed(this.name);
    const delivery = new ResolutionDelivery(() => ({ state: 'failed', error }), listener);
    delivery.changed();
    return delivery.stop;
  }
}

function createEntrance(
  options: EmbeddedRegistryOptions,
  settings: EmbeddedRegistrySettings,
  wheel: TimerWheel,
): Join | HostOrJoin {
  const { keys, limits, tls, connectTimeoutMs, addresses, port, clock, rng } = settings;
  const dialer = new Dialer({
    self: { service: '', instance: '' },
    keys,
    codecs: standardCodecs(),
    limits,
    tls,
    keepAlive: KEEP_ALIVE_TIMES,
    wheel,
    connectTimeoutMs,
  });
  if (addresses.length > 0) return new Join(addresses, dialer);
  const address = { host: '127.0.0.1', port };
  const { auth, ttl, maxInstances } = options;
  const createServer = () => new RegistryServer({ ...address, auth, tls, ttl, maxInstances, limits: options.limits });
  return new HostOrJoin({ address, dialer, createServer, clock, rng });
}

function scopeOf({ namespaceId, groupName }: ServiceQuery): ServiceQuery {
  return { namespaceId, groupName };
}

/** Turns the messages of one events stream after another into events. */
class EventsObserver implements StandingStreamObserver {
  private streams = 0;
  private isFirstMessage = false;

  constructor(private readonly tell: (event: RegistryEvent) => void) {}

  onBegin(): void {
    this.streams++;
    this.isFirstMessage = true;
  }

  next(value: unknown): void {
    const { missed, events } = value as EventsMessage;
    if (this.isFirstMessage && this.streams > 1) this.tell({ type: 'missed', count: undefined });
    this.isFirstMessage = false;
    if (missed > 0) this.tell({ type: 'missed', count: missed });
    for (const event of events) this.tell(event);
  }

  onBroken(): void {}
}
