import type { Duration } from '../core/duration.js';
import type { Metadata } from '../core/metadata.js';

/**
 * What may be said about one call.
 *
 * @publicApi
 */
export interface CallOptions {
  /** Travels with the call; the handler reads it through `ctx.getMetadata()`. At most 64 keys and 16 KiB. */
  metadata?: Metadata | undefined;
  /** How long to wait for the end of the call. @default what the handler declares, else the client's `deadline`, else 5 s */
  timeout?: Duration | undefined;
  /** Calls with one key go to one instance, under a hashing balancer. */
  routingKey?: string | undefined;
  /** Whether the call may be executed twice. @default what the handler declares, else false */
  idempotent?: boolean | undefined;
  /** Cancels the call when it aborts. */
  signal?: AbortSignal | undefined;
  /** Events only: wait until every handler has ended, and fail where one failed. @default false */
  ack?: boolean | undefined;
}

/**
 * Data with options, to be handed to `send()` or `emit()` in the place of plain data. Made by `RookeryRecordBuilder`.
 *
 * @publicApi
 */
export class RookeryRecord<TData = unknown> {
  constructor(
    readonly data: TData,
    readonly options: CallOptions = {},
  ) {}
}

/**
 * Builds a record, as Nest's `NatsRecordBuilder` and its kin do.
 *
 * ```ts
 * const record = new RookeryRecordBuilder(cart).setTimeout('800ms').setMetadata({ tenant: 'acme' }).build();
 * client.send('orders.place', record);
 * ```
 *
 * @publicApi
 */
export class RookeryRecordBuilder<TData = unknown> {
  private options: CallOptions = {};

  constructor(private data?: TData) {}

  setData(data: TData): this {
    this.data = data;
    return this;
  }

  setMetadata(metadata: Metadata): this {
    return this.with({ metadata });
  }

  setTimeout(timeout: Duration): this {
    return this.with({ timeout });
  }

  setRoutingKey(routingKey: string): this {
    return this.with({ routingKey });
  }

  setIdempotent(idempotent = true): this {
    return this.with({ idempotent });
  }

  setSignal(signal: AbortSignal): this {
    return this.with({ signal });
  }

  /** The event counts as delivered only when every handler has ended. */
  setAck(ack = true): this {
    return this.with({ ack });
  }

  build(): RookeryRecord<TData> {
    return new RookeryRecord(this.data as TData, { ...this.options });
  }

  private with(options: CallOptions): this {
    this.options = { ...this.options, ...options };
    return this;
  }
}
