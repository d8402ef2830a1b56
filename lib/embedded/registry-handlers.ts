import type { Clock } from '../core/clock.js';
import { RemoteError, RookeryError } from '../core/errors.js';
import { serviceInstance, type ServiceInstance } from '../core/instance.js';
import type { InstanceTable } from '../registry/instance-table.js';
import type { InstanceQuery } from '../registry/service-registry.js';
import { Handlers, type Handler } from '../transport/handlers.js';
import type { IncomingCall } from '../transport/incoming-call.js';
import type { ServerConnection } from '../transport/server-connection.js';
import { EventFeed } from './event-feed.js';
import { InstanceWatch } from './instance-watch.js';
import type { InstanceWrites } from './instance-writes.js';
import { EVERYTHING, type Grant, type RegistryPermissions } from './registry-permissions.js';
import {
  PAGE_NAMES,
  PAGE_RECORDS,
  pagesOf,
  RegistryPattern,
  type LeaseReply,
  type RegistryStats,
} from './registry-protocol.js';
import { Turnstile } from './turnstile.js';
import {
  parseInstanceQuery,
  parseInstanceRef,
  parseOptionalService,
  parseServiceQuery,
  parseServiceRef,
} from './wire-query.js';

export interface RegistryHandlersInit {
  table: InstanceTable;
  writes(): InstanceWrites;
  /** Without them whoever is connected may do everything. */
  permissions: RegistryPermissions | undefined;
  ttlMs: number;
  clock: Clock;
  /** For how long the table may be incomplete, in ms. */
  warmingMs(): number;
  stats(): RegistryStats;
}

/** A stream that lasts until its reader, or its server, ends it. */
interface Standing {
  end(): void;
}

/** The registry's patterns over an `InstanceTable`. What arrives is validated here or, for records, by the table. */
export class RegistryHandlers {
  readonly handlers: Handlers;
  private readonly standing = new Set<Standing>();
  private readonly turnstile = new Turnstile();
  private readonly feeds = new WeakMap<ServerConnection, number>();

  constructor(private readonly init: RegistryHandlersInit) {
    const handlers = [
      answers(RegistryPattern.REGISTER, (data, call) => this.register(data, call)),
      answers(RegistryPattern.RENEW, (data, call) => this.renew(data, call)),
      answers(RegistryPattern.DEREGISTER, (data, call) => this.deregister(data, call)),
      answers(RegistryPattern.INSTANCES, (data, call) => paged(this.instances(data, call), PAGE_RECORDS)),
      answers(RegistryPattern.SERVICES, (data, call) => paged(this.services(data, call), PAGE_NAMES)),
      answers(RegistryPattern.WATCH, (data, call) => this.watch(data, call)),
      answers(RegistryPattern.EVENTS, (data, call) => this.events(data, call)),
      answers(RegistryPattern.STATS, (_, call) => {
        this.grantOf(call).checkStats();
        return init.stats();
      }),
    ];
    this.handlers = new Handlers(handlers, toWireError);
  }

  /** Ends the streams that would not end by themselves. */
  endStreams(): void {
    for (const stream of this.standing) stream.end();
  }

  private grantOf({ connection }: IncomingCall): Grant {
    return this.init.permissions?.of(connection.peer) ?? EVERYTHING;
  }

  private register(data: unknown, call: IncomingCall): LeaseReply | Promise<LeaseReply> {
    const record = serviceInstance(data as ServiceInstance);
    this.grantOf(call).checkRegister(record);
    const { ttlMs, writes } = this.init;
    const written = writes().put(record, call.connection);
    return written ? written.then(() => this.written(call.connection)) : { ttlMs };
  }

  private written(connection: ServerConnection): LeaseReply {
    // Its owner was lost while the disk was busy.
    if (connection.state === 'closed') this.init.table.markOwnerLost(connection);
    return { ttlMs: this.init.ttlMs };
  }

  private renew(data: unknown, call: IncomingCall): LeaseReply {
    const ref = parseInstanceRef(data);
    this.grantOf(call).checkRegister(ref);
    this.init.table.renew(ref, call.connection);
    return { ttlMs: this.init.ttlMs };
  }

  private deregister(data: unknown, call: IncomingCall): void | Promise<void> {
    const ref = parseInstanceRef(data);
    this.grantOf(call).checkRegister(ref);
    return this.init.writes().remove(ref);
  }

  private instances(data: unknown, call: IncomingCall): ServiceInstance[] {
    const { table } = this.init;
    const { serviceName } = parseOptionalService(data);
    const query: InstanceQuery = parseInstanceQuery(data);
    if (serviceName !== undefined) this.grantOf(call).checkRead({ ...query, serviceName });
    const names = serviceName === undefined ? this.services(data, call) : [serviceName];
    return names.flatMap((name) => table.query(name, query));
  }

  private services(data: unknown, call: IncomingCall): string[] {
    const query = parseServiceQuery(data);
    const grant = this.grantOf(call);
    return this.init.table.listServices(query).filter((serviceName) => grant.mayRead({ ...query, serviceName }));
  }

  private watch(data: unknown, call: IncomingCall): AsyncIterable<unknown> {
    const service = parseServiceRef(data);
    this.grantOf(call).checkRead(service);
    const { table, clock, warmingMs } = this.init;
    const { signal } = call;
    const stream = new InstanceWatch(table, service, warmingMs, clock, this.turnstile, () => {
      signal.removeEventListener('abort', stream.end);
      this.standing.delete(stream);
    });
    this.standing.add(stream);
    signal.addEventListener('abort', stream.end, { once: true });
    if (signal.aborted) stream.end();
    return stream;
  }

  private events(data: unknown, call: IncomingCall): AsyncIterable<unknown> {
    const service = parseOptionalService(data);
    const { serviceName } = service;
    const grant = this.grantOf(call);
    if (serviceName !== undefined) grant.checkRead({ ...service, serviceName });
    const feed = new EventFeed(this.init.table, service, (instance) => grant.mayRead(instance));
    return this.few(call.connection, this.stand(feed, call));
  }

  private async *few(connection: ServerConnection, feed: AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
    const count = (this.feeds.get(connection) ?? 0) + 1;
    if (count > MAX_FEEDS) throw tooManyFeeds();
    this.feeds.set(connection, count);
    try {
      yield* feed;
    } finally {
      this.feeds.set(connection, this.feeds.get(connection)! - 1);
    }
  }

  private async *stand(stream: EventFeed, { signal }: IncomingCall): AsyncGenerator<unknown, void> {
    this.standing.add(stream);
    // A generator that waits does not hear that its reader left: its signal does.
    signal.addEventListener('abort', stream.end, { once: true });
    if (signal.aborted) stream.end();
    try {
      yield* stream.messages();
    } finally {
      signal.removeEventListener('abort', stream.end);
      this.standing.delete(stream);
    }
  }
}

/** Streams of events on one connection, each of which may keep 1,000 events; of watches there may be `limits.maxStreamsPerConnection`. */
const MAX_FEEDS = 64;

function tooManyFeeds(): RookeryError {
  const message = `this connection follows events ${MAX_FEEDS} times already; follow all services at once, or close some`;
  return new RookeryError('TOO_MANY_STREAMS', message);
}

/** All of them may be run twice: a registry's writes say what is, not what changes. */
function answers(pattern: string, handle: Handler['handle']): Handler {
  return { kind: 'message', pattern, idempotent: true, handle };
}

async function* paged<T>(items: readonly T[], size: number): AsyncGenerator<T[]> {
  yield* pagesOf(items, size);
}

/** Reasons cross the wire as they are; what is no `RookeryError` is a bug here, of which clients need no details. */
function toWireError(error: unknown): RookeryError {
  if (RookeryError.is(error)) return error;
  return new RemoteError('the registry failed to answer', undefined, { code: 'INTERNAL' });
}
