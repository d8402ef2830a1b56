import { isDeepStrictEqual } from 'node:util';

import { systemClock, type Clock } from '../core/clock.js';
import { INSTANCE_DEFAULTS, serviceInstance, type ServiceInstance } from '../core/instance.js';
import { ChangeFeed, type ChangeListener } from './change-feed.js';
import { matchesQuery, matchesScope } from './instance-query.js';
import { LeaseQueue } from './lease-queue.js';
import { leaseLost, registryFull, serviceFull } from './registry-errors.js';
import type { InstanceQuery, ServiceQuery, Unsubscribe } from './service-registry.js';

/** What happened to an instance. `expired` and `deregistered` carry it as it was last. */
export interface InstanceEvent {
  readonly type: 'registered' | 'updated' | 'deregistered' | 'expired' | 'healthy' | 'unhealthy';
  readonly instance: ServiceInstance;
}

/** What names an instance. Ids are unique within a service: those made from an address may occur in several. */
export type InstanceRef = Pick<ServiceInstance, 'namespaceId' | 'groupName' | 'serviceName' | 'instanceId'>;

/** Whoever keeps an instance alive: a connection, compared by identity. */
export type Owner = object;

export interface InstanceTableOptions {
  /** How long an instance stays without renewal, in ms; without it, until it is removed. */
  ttlMs?: number | undefined;
  /** @default 10_000 */
  maxInstances?: number | undefined;
  /** @default as many as maxInstances */
  maxInstancesPerService?: number | undefined;
  /** Hears of each lease that ends, before anybody else does. */
  onExpired?: ((instance: ServiceInstance) => void) | undefined;
  clock?: Clock | undefined;
}

export interface InstanceTableStats {
  readonly services: number;
  readonly instances: number;
  readonly healthy: number;
  /** Subscriptions. */
  readonly watchers: number;
  /** New instances since the start. */
  readonly registrations: number;
  readonly expirations: number;
}

export const MAX_INSTANCES = 10_000;

/**
 * Instances by service, their leases, and what happens to them: the piece that the memory registry and the embedded server share.
 * Everything is synchronous, writes are O(1), and events are told in order, after the table has changed.
 */
export class InstanceTable {
  private readonly services = new Map<string, Map<string, Entry>>();
  private readonly owned = new Map<Owner, Set<Entry>>();
  private readonly feed = new ChangeFeed<InstanceEvent>();
  private readonly leases: LeaseQueue<Entry> | undefined;
  private readonly maxInstances: number;
  private readonly maxInstancesPerService: number;
  private readonly onExpired: InstanceTableOptions['onExpired'];
  private instances = 0;
  private registrations = 0;
  private expirations = 0;

  constructor(options: InstanceTableOptions = {}) {
    const { ttlMs, maxInstances = MAX_INSTANCES, maxInstancesPerService = maxInstances, clock = systemClock } = options;
    this.maxInstances = maxInstances;
    this.maxInstancesPerService = maxInstancesPerService;
    this.onExpired = options.onExpired;
    if (ttlMs !== undefined) this.leases = new LeaseQueue(ttlMs, clock, (entry) => this.expire(entry));
  }

  /**
   * Puts an instance in, or replaces its record, and starts its lease. The same record again is a renewal: nobody is woken.
   *
   * @throws RookeryError `INSTANCE_INVALID`; RegistryError `REGISTRY_FULL`
   */
  upsert(instance: ServiceInstance, owner?: Owner): void {
    this.put(serviceInstance(instance), owner);
  }

  /** `upsert` of a record that was made by `serviceInstance`. @throws RegistryError `REGISTRY_FULL` */
  put(record: ServiceInstance, owner?: Owner): void {
    const entry = this.find(record);
    if (entry) return this.replace(entry, record, owner);
    this.add(record, owner);
    this.registrations++;
  }

  /** Puts in an instance that was registered before the start, if there is room. @returns whether there was */
  restore(record: ServiceInstance): boolean {
    const hasRoom = !this.isFull(record);
    if (hasRoom) this.add(record, undefined);
    return hasRoom;
  }

  /** @throws RegistryError `REGISTRY_FULL` where `put` would */
  checkRoom(record: ServiceInstance): void {
    if (this.find(record)) return;
    if (this.instances >= this.maxInstances) throw registryFull(record, this.maxInstances);
    if (this.isFull(record)) throw serviceFull(record, this.maxInstancesPerService);
  }

  has(ref: InstanceRef): boolean {
    return this.find(ref) !== undefined;
  }

  /** Whether an instance is registered exactly so. */
  holds(record: ServiceInstance): boolean {
    const entry = this.find(record);
    return entry !== undefined && isSameRecord(entry.record, record);
  }

  /** All instances as they were registered. */
  records(): ServiceInstance[] {
    return [...this.services.values()].flatMap((entries) => Array.from(entries.values(), ({ record }) => record));
  }

  /** Takes an instance out. @returns whether it was there */
  remove(ref: InstanceRef): boolean {
    const entry = this.find(ref);
    if (entry) this.drop(entry, 'deregistered');
    return entry !== undefined;
  }

  /**
   * Keeps an instance, and takes it over for the given owner; one whose owner was lost is healthy again.
   *
   * @throws RegistryError `LEASE_LOST`
   */
  renew(ref: InstanceRef, owner?: Owner): void {
    const entry = this.find(ref);
    if (!entry) throw leaseLost(ref);
    this.hold(entry, owner);
    this.show(entry, entry.record);
  }

  /** A connection broke: its instances are unhealthy at once, until somebody renews them or their leases end. */
  markOwnerLost(owner: Owner): void {
    const entries = this.owned.get(owner) ?? [];
    this.owned.delete(owner);
    for (const entry of entries) {
      entry.owner = undefined;
      this.show(entry, unhealthy(entry.record));
    }
  }

  query(serviceName: string, query: InstanceQuery = {}): ServiceInstance[] {
    const found: ServiceInstance[] = [];
    for (const { shown } of this.services.get(serviceKey(serviceName, query))?.values() ?? []) {
      if (matchesQuery(shown, query)) found.push(shown);
    }
    return found;
  }

  /** Names of the services that have instances, sorted. */
  listServices(query: ServiceQuery = {}): string[] {
    const names: string[] = [];
    for (const entries of this.services.values()) {
      const [first] = entries.values();
      if (first && matchesScope(first.record, query)) names.push(first.record.serviceName);
    }
    return names.sort();
  }

  stats(): InstanceTableStats {
    let healthy = 0;
    for (const entries of this.services.values())
      for (const { shown } of entries.values()) if (shown.healthy) healthy++;
    const { instances, registrations, expirations } = this;
    return { services: this.services.size, instances, healthy, watchers: this.feed.size, registrations, expirations };
  }

  /** Hears what happens from now on, at once: to one service, or to all. The table may be read and written meanwhile. */
  subscribe(listener: ChangeListener<InstanceEvent>, serviceName?: string, query: ServiceQuery = {}): Unsubscribe {
    return this.feed.subscribe(listener, serviceName === undefined ? undefined : serviceKey(serviceName, query));
  }

  /** Forgets everything, silently: no timer, no subscription is left. */
  close(): void {
    this.leases?.close();
    this.feed.close();
    this.services.clear();
    this.owned.clear();
    this.instances = 0;
  }

  private isFull(record: ServiceInstance): boolean {
    const siblings = this.services.get(serviceKey(record.serviceName, record))?.size ?? 0;
    return this.instances >= this.maxInstances || siblings >= this.maxInstancesPerService;
  }

  private find(ref: InstanceRef): Entry | undefined {
    return this.services.get(serviceKey(ref.serviceName, ref))?.get(ref.instanceId);
  }

  private add(record: ServiceInstance, owner: Owner | undefined): void {
    this.checkRoom(record);
    const key = serviceKey(record.serviceName, record);
    const entry: Entry = { key, record, shown: record, owner: undefined };
    const entries = this.services.get(key) ?? new Map<string, Entry>();
    this.services.set(key, entries.set(record.instanceId, entry));
    this.instances++;
    this.hold(entry, owner);
    this.feed.emit(key, { type: 'registered', instance: record });
  }

  private replace(entry: Entry, record: ServiceInstance, owner: Owner | undefined): void {
    this.hold(entry, owner);
    if (!isSameRecord(entry.record, record)) entry.record = record;
    this.show(entry, entry.record);
  }

  private hold(entry: Entry, owner: Owner | undefined): void {
    this.leases?.renew(entry);
    if (entry.owner === owner) return;
    this.release(entry);
    entry.owner = owner;
    if (owner) this.owned.set(owner, (this.owned.get(owner) ?? new Set()).add(entry));
  }

  private release(entry: Entry): void {
    if (!entry.owner) return;
    const entries = this.owned.get(entry.owner);
    entries?.delete(entry);
    if (entries?.size === 0) this.owned.delete(entry.owner);
  }

  /** Changes what others see of an instance, and says which kind of change it was; both kinds at once are two events. */
  private show(entry: Entry, instance: ServiceInstance): void {
    const before = entry.shown;
    if (before === instance) return;
    entry.shown = instance;
    const isUpdated = !isSameRecord(
      before.healthy === instance.healthy ? before : { ...before, healthy: instance.healthy },
      instance,
    );
    if (isUpdated) this.feed.emit(entry.key, { type: 'updated', instance });
    if (before.healthy !== instance.healthy) {
      this.feed.emit(entry.key, { type: instance.healthy ? 'healthy' : 'unhealthy', instance });
    }
  }

  private expire(entry: Entry): void {
    this.expirations++;
    this.onExpired?.(entry.record);
    this.drop(entry, 'expired');
  }

  private drop(entry: Entry, type: 'deregistered' | 'expired'): void {
    this.leases?.drop(entry);
    this.release(entry);
    const entries = this.services.get(entry.key);
    entries?.delete(entry.record.instanceId);
    if (entries?.size === 0) this.services.delete(entry.key);
    this.instances--;
    this.feed.emit(entry.key, { type, instance: entry.shown });
  }
}

interface Entry {
  readonly key: string;
  /** As it was registered. */
  record: ServiceInstance;
  /** As others see it: the record, or the record as unhealthy. */
  shown: ServiceInstance;
  owner: Owner | undefined;
}

/** Names hold no control characters, so NUL separates them. */
function serviceKey(serviceName: string, { namespaceId, groupName }: ServiceQuery): string {
  const { namespaceId: namespace, groupName: group } = INSTANCE_DEFAULTS;
  return `${namespaceId ?? namespace}\0${groupName ?? group}\0${serviceName}`;
}

/** Of records as `serviceInstance` makes them. */
function isSameRecord(one: ServiceInstance, other: ServiceInstance): boolean {
  return one === other || isDeepStrictEqual(one, other);
}

function unhealthy(record: ServiceInstance): ServiceInstance {
  return record.healthy ? Object.freeze({ ...record, healthy: false }) : record;
}
