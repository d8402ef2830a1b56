import { BaseRpcContext } from '@nestjs/microservices';

import { CORRELATION_ID, type Metadata } from '../core/metadata.js';
import type { IncomingCall } from '../transport/incoming-call.js';
import type { Peer } from '../transport/server-connection-context.js';
import type { CallScope } from './call-scope.js';

/**
 * What a handler knows of its call; injected by `@Ctx()`.
 *
 * @publicApi
 */
export class RookeryContext extends BaseRpcContext<[pattern: string]> implements CallScope {
  constructor(private readonly call: IncomingCall) {
    super([call.handler.pattern]);
  }

  /** Aborts when the caller cancelled or went away, or the deadline passed: hand it to `fetch`, a query, a nested call. */
  get signal(): AbortSignal {
    return this.call.signal;
  }

  /** Whether nobody waits for the answer any more. */
  get isCancelled(): boolean {
    return this.call.isCancelled;
  }

  /** Wall time by which the caller stops waiting. */
  get deadline(): Date {
    return new Date(Date.now() + this.remainingMs);
  }

  /** Milliseconds until the deadline, 0 when it has passed. */
  get remainingMs(): number {
    return Math.max(0, this.call.deadlineAtMs - performance.now());
  }

  /** @internal */
  get deadlineAtMs(): number {
    return this.call.deadlineAtMs;
  }

  /** The caller's id for this call and everything it leads to; made where the caller gave none. */
  get correlationId(): string {
    return this.call.correlationId;
  }

  /** What the caller sent along, and the correlation id under `x-correlation-id`. */
  getMetadata(): Metadata {
    return { ...this.call.metadata, [CORRELATION_ID]: this.correlationId };
  }

  /** The normalized pattern of the handler. */
  getPattern(): string {
    return this.args[0];
  }

  /** Who calls: service (empty for a caller that serves nothing), instance id, the address of its socket, and what it proved of itself. */
  getPeer(): Peer {
    return this.call.connection.peer;
  }
}
