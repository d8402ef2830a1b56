import type { Clock } from '../core/clock.js';
import { RemoteError, RookeryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';
import type { InstanceTable } from '../registry/instance-table.js';
import type { InstanceQuery } from '../registry/service-registry.js';
import { Handlers, type Handler } from '../transport/handlers.js';
import type { IncomingCall } from '../transport/incoming-call.js';
import { EventFeed } from './event-feed.js';
import { InstanceWatch } from './instance-watch.js';
import {
  PAGE_NAMES,
  PAGE_RECORDS,
  pagesOf,
  RegistryPattern,
  type LeaseReply,
  type RegistryStats,
} from './registry-protocol.js';
import {
  parseInstanceQuery,
  parseInstanceRef,
  parseOptionalService,
  parseServiceQuery,
  parseServiceRef,
} from './wire-query.js';

export interface RegistryHandlersInit {
  table: InstanceTable;
  ttlMs: number;
  clock: Clock;
  /** For how long the table may be incomplete, in ms. */
  warmingMs(): number;
  stats(): RegistryStats;
}

/** A stream that lasts until its reader, or its server, ends it. */
interface Standing {
  messages(): AsyncGenerator<unknown, void>;
  end(): void;
}

/** The registry's patterns over an `InstanceTable`. What arrives is validated here or, for records, by the table. */
export class RegistryHandlers {
  readonly handlers: Handlers;
  private readonly standing = new Set<Standing>();

  constructor(private readonly init: RegistryHandlersInit) {
    const { table } = init;
    const lease: LeaseReply = { ttlMs: init.ttlMs };
    const handlers = [
      answers(RegistryPattern.REGISTER, (data, { connection }) => {
        table.upsert(data as ServiceInstance, connection);
        return lease;
      }),
      answers(RegistryPattern.RENEW, (data, { connection }) => {
        table.renew(parseInstanceRef(data), connection);
        return lease;
      }),
      answers(RegistryPattern.DEREGISTER, (data) => void table.remove(parseInstanceRef(data))),
      answers(RegistryPattern.INSTANCES, (data) => paged(this.instances(data), PAGE_RECORDS)),
      answers(RegistryPattern.SERVICES, (data) => paged(table.listServices(parseServiceQuery(data)), PAGE_NAMES)),
      answers(RegistryPattern.WATCH, (data, call) => this.watch(data, call)),
      answers(RegistryPattern.EVENTS, (data, call) =>
        this.stand(new EventFeed(table, parseOptionalService(data)), call),
      ),
      answers(RegistryPattern.STATS, () => init.stats()),
    ];
    this.handlers = new Handlers(handlers, toWireError);
  }

  /** Ends the streams that would not end by themselves. */
  endStreams(): void {
    for (const stream of this.standing) stream.end();
  }

  private instances(data: unknown): ServiceInstance[] {
    const { table } = this.init;
    const { serviceName } = parseOptionalService(data);
    const query: InstanceQuery = parseInstanceQuery(data);
    const names = serviceName === undefined ? table.listServices(query) : [serviceName];
    return names.flatMap((name) => table.query(name, query));
  }

  private watch(data: unknown, call: IncomingCall): AsyncIterable<unknown> {
    const { table, clock, warmingMs } = this.init;
    return this.stand(new InstanceWatch(table, parseServiceRef(data), warmingMs, clock), call);
  }

  private async *stand(stream: Standing, { signal }: IncomingCall): AsyncGenerator<unknown, void> {
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
