import type { CallSample } from '../balancing/balancer.js';
import type { Clock } from '../core/clock.js';
import { RookeryError } from '../core/errors.js';
import type { Target } from '../discovery/target.js';
import type { CancelReason, Invocation, Invoke, Replies } from '../resilience/layer.js';
import { CancelCode } from '../wire/frame.js';
import type { ClientConnection, ConnectionCall } from './client-connection.js';
import type { OutgoingCall } from './outgoing-call.js';
import type { RemoteEndpoint } from './remote-endpoint.js';

/** The innermost step: choose an endpoint, take one of its connections, send, and tell the balancer how it ended. */
export function dispatch(target: Target<RemoteEndpoint>, clock: Clock): Invoke<OutgoingCall> {
  return (call, replies) => {
    const attempt = new Attempt(call, replies, target, clock);
    attempt.start();
    return attempt;
  };
}

type Result = CallSample['result'];

/** One attempt of a call at one endpoint. When all is warm it starts without a promise, a closure or a timer. */
class Attempt implements ConnectionCall, Invocation {
  callId = 0;
  heldBytes = 0;
  owedBytes = 0;

  private endpoint: RemoteEndpoint | undefined = undefined;
  private connection: ClientConnection | undefined = undefined;
  private firstReplyAtMs = 0;
  /** The id it went under; `callId` is 0 again once it has left the connection's table. */
  private sentId = 0;
  private isOver = false;

  constructor(
    readonly call: OutgoingCall,
    private readonly replies: Replies,
    private readonly target: Target<RemoteEndpoint>,
    private readonly clock: Clock,
  ) {}

  start(): void {
    const { target, call } = this;
    // The first attempt begins with the call: its time need not be read again.
    if (target.isSettled) return this.pick(call.attempts > 1 ? undefined : call.startedAtMs);
    target.open();
    if (target.isSettled) return this.pick();
    target.whenSettled().then(
      () => this.pick(),
      (error: RookeryError) => this.fail(error),
    );
  }

  next(value: unknown, bytes: number): void {
    if (this.firstReplyAtMs === 0 && bytes > 0) this.firstReplyAtMs = this.connection!.lastReadAtMs;
    this.replies.next(value, bytes);
  }

  last(value: unknown): void {
    if (this.isOver) return;
    this.endWell();
    this.replies.last(value);
  }

  complete(): void {
    if (this.isOver) return;
    this.endWell();
    this.replies.complete();
  }

  fail(error: RookeryError): void {
    if (this.isOver) return;
    const { call, endpoint, target } = this;
    this.end(resultOf(error), this.clock.now());
    error.service ??= call.service;
    if (endpoint !== undefined) {
      error.endpoint ??= endpoint.address;
      if (this.sentId !== 0) call.correlationId ??= this.connection!.correlationIdOf(this.sentId);
      call.exclude(endpoint);
      call.hasUntriedInstance = target.pickableCount > call.excluded!.length;
    }
    this.replies.fail(error);
  }

  cancel(reason: CancelReason): void {
    if (this.isOver) return;
    this.connection?.cancel(this, reason === 'deadline' ? CancelCode.DEADLINE : CancelCode.UNSUBSCRIBED);
    this.end(reason === 'deadline' ? 'failure' : 'cancelled', this.clock.now());
  }

  release(bytes: number): void {
    this.connection?.release(this, bytes);
  }

  private pick(nowMs?: number): void {
    if (this.isOver) return;
    let endpoint: RemoteEndpoint;
    try {
      endpoint = this.endpoint = this.pickEndpoint(nowMs);
    } catch (error) {
      return this.fail(error as RookeryError);
    }
    const connection = endpoint.pool.ready();
    if (connection) return this.send(connection, endpoint.pickedAtMs);
    this.connect(endpoint);
  }

  private connect(endpoint: RemoteEndpoint): void {
    endpoint.pool.connect().then(
      (opened) => this.send(opened, this.clock.now()),
      (error: RookeryError) => this.fail(error),
    );
  }

  /** When every endpoint has failed this call, each of them may be tried again. */
  private pickEndpoint(nowMs: number | undefined): RemoteEndpoint {
    const { call, target } = this;
    if (call.excluded !== undefined && call.excluded.length >= target.pickableCount) call.excluded = undefined;
    return target.pick(call, nowMs);
  }

  private send(connection: ClientConnection, nowMs: number): void {
    if (this.isOver) return;
    if (!connection.hasRoom) return this.turnedAway(connection);
    const { call } = this;
    const announced = connection.announced(call);
    if (announced !== undefined) {
      const { idempotent, timeoutMs } = announced.entry;
      if (idempotent === true) call.isDeclaredIdempotent = true;
      if (timeoutMs !== undefined) call.adoptTimeout(timeoutMs);
    }
    this.connection = connection;
    try {
      connection.send(this, announced, nowMs);
    } catch (error) {
      return this.fail(error as RookeryError);
    }
    this.sentId = this.callId;
  }

  /** Calls that waited for one dial together may have filled the connection among them: there may be, or come, another. */
  private turnedAway(connection: ClientConnection): void {
    if (connection.state === 'ready') this.connect(this.endpoint!);
    else this.fail(noRoom(connection));
  }

  /** A stream's latency is that of its first value. */
  private endWell(): void {
    this.end('success', this.firstReplyAtMs || this.connection!.lastReadAtMs);
  }

  private end(result: Result, nowMs: number): void {
    const { endpoint } = this;
    this.isOver = true;
    if (endpoint !== undefined) this.target.done(endpoint, { result, latencyMs: nowMs - endpoint.pickedAtMs, nowMs });
  }
}

/** Whether a failure speaks against the endpoint. What a handler answered, or this process did wrong, does not. */
function resultOf(error: RookeryError): Result {
  if (error.outcome === 'handled') return 'success';
  return error.code === 'UNAVAILABLE' && error.reason !== 'PEER_DRAINING' ? 'failure' : 'cancelled';
}

/** Why a connection without room takes no call. */
export function noRoom(connection: ClientConnection): RookeryError {
  return connection.state === 'ready'
    ? new RookeryError(
        'TOO_MANY_CALLS',
        'the connection has as many calls, or bytes, under way as it may; slow down, or add instances',
      )
    : new RookeryError('PEER_DRAINING', 'the connection closed before the call was sent', { outcome: 'never-sent' });
}
