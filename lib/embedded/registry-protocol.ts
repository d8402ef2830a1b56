import type { ServiceInstance } from '../core/instance.js';
import type { InstanceEvent, InstanceTableStats } from '../registry/instance-table.js';

/**
 * What the registry calls itself in its hello. The instance in it is fresh with every start, so clients see a restart by it: who is missing then
 * may come back, and everybody registers again, spread. It stays the same over a start that has everything it ever acknowledged on its disk:
 * who is missing then has left, and nobody needs to register again.
 */
export const REGISTRY_SERVICE = 'rookery.registry';

/** ROOK on a phone's keypad. */
export const DEFAULT_REGISTRY_PORT = 7665;

/**
 * The registry's patterns: it is one more service on Rookery's wire, and whoever speaks that may ask it.
 *
 * | pattern | data | answer |
 * |---|---|---|
 * | `registry.register` | a `ServiceInstance` | `LeaseReply`; fails with `INSTANCE_INVALID`, `REGISTRY_FULL`, `REGISTRY_READ_ONLY` |
 * | `registry.renew` | an `InstanceRef` | `LeaseReply`; fails with `LEASE_LOST` |
 * | `registry.deregister` | an `InstanceRef` | nothing; fails with `REGISTRY_READ_ONLY` |
 * | `registry.instances` | an `InstanceQuery`, and `serviceName` for one service alone | a stream of lists of `ServiceInstance`, one after the other the whole |
 * | `registry.services` | a `ServiceQuery` | a stream of lists of names, sorted |
 * | `registry.watch` | a `ServiceQuery` with `serviceName` | a stream of `WatchMessage`, until cancelled |
 * | `registry.events` | a `ServiceQuery` with `serviceName`, or nothing: all services | a stream of `EventsMessage`, until cancelled |
 * | `registry.stats` | nothing | `RegistryStats` |
 *
 * With permissions, the first three need `register` of the service; `instances`, `watch` and `events` of a service its `read`, of all services they
 * tell what may be read, as `services` does; `stats` needs `read: ['*']`. What is denied fails with `REGISTRY_DENIED`.
 *
 * A registered instance belongs to the connection that registered or renewed it last: when that breaks, the instance is unhealthy at once.
 */
export const RegistryPattern = {
  REGISTER: 'registry.register',
  RENEW: 'registry.renew',
  DEREGISTER: 'registry.deregister',
  INSTANCES: 'registry.instances',
  SERVICES: 'registry.services',
  WATCH: 'registry.watch',
  EVENTS: 'registry.events',
  STATS: 'registry.stats',
} as const;

export interface LeaseReply {
  readonly ttlMs: number;
}

/**
 * One step of a watch. Many changes may be told as one, or leave no trace where the reader was slow; the newest state always arrives.
 * Lists travel in parts that stay below the frame limit: until one comes without `more`, the state is incomplete.
 */
export interface WatchMessage {
  /** What was told before is forgotten: the whole state follows. */
  readonly reset?: boolean;
  /** With `reset`: for how long this list may lack instances, in ms; see `RegistryServer`. */
  readonly warmingMs?: number;
  /** New or changed. */
  readonly set: readonly ServiceInstance[];
  /** Ids of those that left. */
  readonly gone: readonly string[];
  readonly more: boolean;
}

/** The first one comes when the stream hears; it is empty, unless something happened that very moment. */
export interface EventsMessage {
  /** How many events before these were dropped, because the reader was slow. */
  readonly missed: number;
  readonly events: readonly InstanceEvent[];
}

/**
 * What a registry says about itself.
 *
 * @publicApi
 */
export interface RegistryStats extends InstanceTableStats {
  /** Connected clients. */
  readonly connections: number;
  readonly ttlMs: number;
  readonly uptimeMs: number;
  /** It started less than one lease ago, and may not know all instances yet. Not after a start with its data. */
  readonly isWarming: boolean;
  /** Whether registrations outlast it; `failing` while its disk takes nothing, and changes are refused. */
  readonly storage: 'memory' | 'disk' | 'failing';
}

/** The largest record, with names of three bytes a character, takes 33 KiB: these many fit into the default frame of 4 MiB. */
export const PAGE_RECORDS = 100;

/** Names are at most 384 bytes long. */
export const PAGE_NAMES = 5_000;

/** At least one page, the last of which may be empty. */
export function pagesOf<T>(items: readonly T[], size: number): T[][] {
  const pages: T[][] = [];
  for (let at = 0; at < items.length || at === 0; at += size) pages.push(items.slice(at, at + size));
  return pages;
}
