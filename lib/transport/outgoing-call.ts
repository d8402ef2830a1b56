import type { Endpoint } from '../balancing/endpoint.js';
import type { PickRequest } from '../balancing/balancer.js';
import { CORRELATION_ID, type Metadata } from '../core/metadata.js';
import type { Call } from '../resilience/layer.js';

/** What a caller may say about one call. */
export interface OutgoingCallOptions {
  metadata?: Metadata | undefined;
  routingKey?: string | undefined;
  /** The caller's word on whether the call may be executed twice. */
  idempotent?: boolean | undefined;
  /** An event whose handlers' end is awaited. */
  wantsAck?: boolean | undefined;
  /** A stream whose reader gives back credit itself as it consumes. */
  isPulled?: boolean | undefined;
}

/** One call of one client, from its start to its end, over all its attempts. */
export class OutgoingCall implements Call, PickRequest {
  attempts = 0;
  excluded: Endpoint[] | undefined = undefined;
  hasUntriedInstance = true;
  /** The handler's own declaration, learnt from the first connection that carried the call. */
  isDeclaredIdempotent = false;
  wasSent = false;
  /** The id its first attempt went under, where the caller gave none: later attempts carry it on. */
  correlationId: string | undefined = undefined;
  deadlineKeeper: Call['deadlineKeeper'] = undefined;

  constructor(
    readonly service: string,
    readonly kind: 'message' | 'event',
    /** The normalized pattern. */
    readonly pattern: string,
    readonly data: unknown,
    readonly options: OutgoingCallOptions,
    readonly startedAtMs: number,
    public deadlineAtMs: number,
    /** Whether the caller chose the deadline; otherwise the handler's declared timeout takes its place. */
    readonly hasOwnDeadline: boolean,
  ) {}

  get isIdempotent(): boolean {
    return this.options.idempotent ?? this.isDeclaredIdempotent;
  }

  get routingKey(): string | undefined {
    return this.options.routingKey;
  }

  /** The handler declared how long it takes; counts where the caller said nothing. */
  adoptTimeout(timeoutMs: number): void {
    if (this.hasOwnDeadline) return;
    this.deadlineAtMs = this.startedAtMs + timeoutMs;
    this.deadlineKeeper?.onDeadlineMoved();
  }

  /** What travels with this attempt. The caller's object is never changed. */
  get metadata(): Metadata | undefined {
    const { metadata } = this.options;
    if (this.correlationId === undefined || metadata?.[CORRELATION_ID] !== undefined) return metadata;
    return { ...metadata, [CORRELATION_ID]: this.correlationId };
  }

  exclude(endpoint: Endpoint): void {
    (this.excluded ??= []).push(endpoint);
  }
}
