import type { Socket } from 'node:net';

import { RookeryError } from '../core/errors.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import { bodyFlags, readBody, writeBody } from '../wire/body.js';
import { writeCallHead } from '../wire/call-head.js';
import { checkFrame } from '../wire/check-frame.js';
import type { Codec } from '../wire/codec.js';
import { readError } from '../wire/error-body.js';
import {
  CancelCode,
  FIRST_OPTIONAL_TYPE,
  Flag,
  FrameType,
  GoawayCode,
  HEADER_BYTES,
  NO_LAST_CALL,
} from '../wire/frame.js';
import type { Identity } from '../wire/hello.js';
import { decodeManifest, type ManifestEntry } from '../wire/manifest.js';
import { malformed } from '../wire/metadata-block.js';
import { closeError, goawayError, lostCall } from './connection-end.js';
import { correlationId } from './correlation-id.js';
import { ClientHandshake, type ClientHandshakeOptions } from './client-handshake.js';
import { FloodGuard } from './flood-guard.js';
import { FrameSocket, type FrameSocketOwner } from './frame-socket.js';
import { KeepAlive, type KeepAliveTimes } from './keep-alive.js';
import type { TransportLimits } from './limits.js';
import type { OutgoingCall } from './outgoing-call.js';
import { PendingCalls, type PendingCall } from './pending-calls.js';

export interface ClientConnectionOptions extends ClientHandshakeOptions {
  transportLimits: TransportLimits;
  keepAlive: KeepAliveTimes;
  wheel: TimerWheel;
}

/** What the pool hears of a connection. Each is called at most once. */
export interface ClientConnectionObserver {
  onReady(connection: ClientConnection): void;
  /** The server wants no further calls here; those under way go on. */
  onDraining(connection: ClientConnection): void;
  onClosed(connection: ClientConnection, error: RookeryError): void;
}

/** A pattern as the server announced it. */
export interface Announced {
  readonly index: number;
  readonly entry: ManifestEntry;
}

type State = 'handshake' | 'ready' | 'draining' | 'closed';

/** A call in flight here, with what flow control needs of it. */
export interface ConnectionCall extends PendingCall {
  readonly call: OutgoingCall;
  /** Bytes of its stream that arrived and were not yet given back as credit. */
  heldBytes: number;
  /** Those of them that were consumed. */
  owedBytes: number;
}

/** The dialling end of one connection: many calls at once, replies matched by id, streams under credit. */
export class ClientConnection implements FrameSocketOwner {
  state: State = 'handshake';
  /** The server as its hello named it; empty until then. */
  peer: Identity = { service: '', instance: '' };

  private readonly link: FrameSocket;
  private readonly handshake: ClientHandshake;
  private readonly keepAlive: KeepAlive;
  private readonly guard: FloodGuard;
  private readonly messages = new Map<string, Announced>();
  private readonly events = new Map<string, Announced>();
  private calls = new PendingCalls(1);
  private codec!: Codec;
  private busySinceMs = 0;
  private lastExecutedId = NO_LAST_CALL;
  private goaway: RookeryError | undefined;

  constructor(
    socket: Socket,
    private readonly options: ClientConnectionOptions,
    private readonly observer: ClientConnectionObserver,
  ) {
    this.link = new FrameSocket(socket, this, options.transportLimits);
    this.guard = new FloodGuard(options.transportLimits);
    this.handshake = new ClientHandshake(options);
    this.keepAlive = new KeepAlive(this.link, options.wheel, options.keepAlive, () =>
      this.calls.size > 0 || this.lastReadAtMs < this.busySinceMs ? this.busySinceMs : undefined,
    );
    this.handshake.writeHello(this.link.writer);
    this.link.flush();
  }

  get inFlight(): number {
    return this.calls.size;
  }

  /** The correlation id of a call that travels without one: both ends know it, so it costs no byte. */
  correlationIdOf(callId: number): string {
    return correlationId(this.handshake.nonce, callId);
  }

  /** Whether a call may be started here now. */
  get hasRoom(): boolean {
    return this.state === 'ready' && !this.calls.isFull && !this.link.isBackedUp;
  }

  /**
   * Starts a call; needs `hasRoom`. Replies reach `pending`, also when it cannot be written.
   *
   * @throws RookeryError `ENCODE_FAILED`, `FRAME_TOO_LARGE`, `PATTERN_INVALID`, `METADATA_INVALID`; nothing is then in flight
   */
  send(pending: ConnectionCall, announced: Announced | undefined, nowMs: number): void {
    const { call } = pending;
    const wantsReply = call.kind !== 'event' || call.options.wantsAck === true;
    this.write(call, announced, wantsReply, wantsReply ? this.track(pending, nowMs) : 0, nowMs, pending);
    call.wasSent = true;
    this.link.flushSoon();
    if (!wantsReply) pending.complete();
  }

  /** What the server announced of a call's pattern, if it did. */
  announced(call: OutgoingCall): Announced | undefined {
    return (call.kind === 'event' ? this.events : this.messages).get(call.pattern);
  }

  /** Monotonic time at which the server was last heard, in ms. */
  get lastReadAtMs(): number {
    return this.link.lastReadAtMs;
  }

  /** Takes a call back and tells the server; replies that still come are dropped. */
  cancel(pending: ConnectionCall, code: number = CancelCode.UNSUBSCRIBED): void {
    const { callId } = pending;
    if (callId === 0) return;
    this.calls.remove(pending);
    if (!this.link.isOpen) return;
    this.link.writer.bare(FrameType.CANCEL, code, callId);
    this.link.flushSoon();
    this.endIfDrained();
  }

  /** The reader of a stream is done with this many bytes. */
  release(pending: ConnectionCall, bytes: number): void {
    pending.owedBytes += bytes;
    if (pending.callId === 0 || pending.owedBytes * 2 < this.options.limits.streamWindowBytes) return;
    const { writer } = this.link;
    const start = writer.begin(FrameType.CREDIT, 0, 0, pending.callId);
    writer.uint32(pending.owedBytes);
    writer.end(start);
    pending.heldBytes -= pending.owedBytes;
    pending.owedBytes = 0;
    this.link.flushSoon();
  }

  /** Lets calls under way end, then closes; `destroy` does not wait. */
  close(): void {
    if (this.state === 'closed') return;
    // Whoever closes it knows: `onDraining` is for what the server says.
    if (this.state === 'ready') this.state = 'draining';
    this.endIfDrained();
  }

  destroy(error: RookeryError): void {
    this.link.destroy(error);
  }

  onFrame(type: number, flags: number, code: number, callId: number, bytes: Buffer, start: number, end: number): void {
    checkFrame(type, flags, end - start);
    if (this.state === 'handshake') return this.onHandshakeFrame(type, code, callId, bytes.subarray(start, end));
    switch (type) {
      case FrameType.REPLY:
        return this.onReply(flags, callId, bytes, start, end);
      case FrameType.ERROR:
        return this.onError(flags, callId, bytes, start, end);
      case FrameType.PING:
        this.guard.onPing(this.link.lastReadAtMs);
        this.link.writer.bare(FrameType.PONG, 0, callId);
        return this.link.flushSoon();
      case FrameType.PONG:
        return this.guard.onIdleFrame(this.link.lastReadAtMs, this.link.silentForMs);
      case FrameType.GOAWAY:
        this.guard.onIdleFrame(this.link.lastReadAtMs, this.link.silentForMs);
        return this.onGoaway(code, callId, bytes.subarray(start, end));
      default:
        if (type < FIRST_OPTIONAL_TYPE) throw malformed(`a frame of type ${type} where none may come`);
        this.guard.onIdleFrame(this.link.lastReadAtMs, this.link.silentForMs);
    }
  }

  onProtocolError(error: RookeryError): void {
    this.link.destroy(error);
  }

  /** Nothing to do: `hasRoom` says no until the server has taken what waits, and replies are read all the while. */
  onSendBufferFull(): void {}

  onDrained(): void {}

  onSocketClosed(cause: Error | undefined): void {
    if (this.state === 'closed') return;
    const hadHello = this.state !== 'handshake';
    this.state = 'closed';
    this.keepAlive.stop();
    const error = this.goaway ?? closeError(cause, hadHello);
    // A call above the last one the server executed was never run.
    this.calls.failAll((id) => lostCall(id <= this.lastExecutedId, cause));
    this.observer.onClosed(this, error);
  }

  private track(pending: ConnectionCall, nowMs: number): number {
    // Where nothing was heard since the call before, that its caller gave up makes the server no less silent.
    if (this.calls.size === 0 && this.lastReadAtMs >= this.busySinceMs) this.busySinceMs = nowMs;
    return this.calls.add(pending);
  }

  private write(
    call: OutgoingCall,
    announced: Announced | undefined,
    wantsReply: boolean,
    callId: number,
    nowMs: number,
    pending: ConnectionCall,
  ): void {
    const { writer } = this.link;
    const { metadata } = call;
    const isEvent = call.kind === 'event';
    let flags = bodyFlags(call.data);
    if (announced === undefined) flags |= Flag.PATTERN;
    if (metadata !== undefined) flags |= Flag.METADATA;
    if (isEvent && wantsReply) flags |= Flag.ACK;
    const start = writer.begin(isEvent ? FrameType.EVENT : FrameType.REQUEST, flags, announced?.index ?? 0, callId);
    try {
      writeCallHead(
        call.deadlineAtMs - nowMs,
        announced ? undefined : call.pattern,
        metadata,
        writer,
        this.options.transportLimits,
      );
      writeBody(call.data, this.codec, writer);
      writer.end(start);
    } catch (error) {
      writer.abandon(start);
      this.calls.remove(pending);
      throw error;
    }
  }

  private onReply(flags: number, callId: number, bytes: Buffer, start: number, end: number): void {
    const pending = this.calls.get(callId) as ConnectionCall | undefined;
    // After cancellation or deadline: nobody waits for it.
    if (pending === undefined) return;
    const isLast = (flags & Flag.END) !== 0;
    if (isLast) this.calls.remove(pending);
    if ((flags & Flag.NO_VALUE) !== 0) {
      if (isLast) pending.complete();
    } else {
      let value: unknown;
      try {
        value = readBody(flags, this.codec, bytes, start, end);
      } catch (error) {
        return this.failUnreadable(pending, error as RookeryError);
      }
      if (isLast) pending.last(value);
      else this.deliver(pending, value, end - start + HEADER_BYTES);
    }
    if (isLast) this.endIfDrained();
  }

  /** One value of a stream. Its room is given back at once, unless the reader does that as it consumes. */
  private deliver(pending: ConnectionCall, value: unknown, bytes: number): void {
    if (pending.heldBytes >= this.options.limits.streamWindowBytes) throw malformed('a stream went on without credit');
    pending.heldBytes += bytes;
    pending.next(value, bytes);
    if (pending.call.options.isPulled !== true) this.release(pending, bytes);
  }

  private onError(flags: number, callId: number, bytes: Buffer, start: number, end: number): void {
    const pending = this.calls.get(callId);
    if (pending === undefined) return;
    this.calls.remove(pending);
    pending.fail(readError(flags, this.codec, bytes, start, end));
    this.endIfDrained();
  }

  /** A draining connection closes with its last call. */
  private endIfDrained(): void {
    if (this.state === 'draining' && this.calls.size === 0) this.link.end();
  }

  private failUnreadable(pending: ConnectionCall, error: RookeryError): void {
    this.cancel(pending);
    pending.fail(
      new RookeryError(error.reason, `the reply cannot be read: ${error.message}`, {
        code: 'INTERNAL',
        outcome: 'handled',
        cause: error,
      }),
    );
    this.endIfDrained();
  }

  private onHandshakeFrame(type: number, code: number, callId: number, payload: Buffer): void {
    switch (type) {
      case FrameType.HELLO:
        return this.onHello(payload);
      case FrameType.AUTH:
        return this.onProof(payload);
      case FrameType.MANIFEST:
        return this.onManifest(payload);
      case FrameType.GOAWAY:
        return this.onGoaway(code, callId, payload);
      default:
        throw malformed(`a frame of type ${type} before the end of the handshake`);
    }
  }

  private onHello(bytes: Buffer): void {
    this.handshake.onServerHello(bytes);
    if (!this.handshake.awaitsProof) this.trustPeer();
  }

  private onProof(bytes: Buffer): void {
    this.handshake.onServerProof(bytes, this.link.writer);
    this.trustPeer();
    this.link.flush();
  }

  /** From here on the peer may send frames of full size: the MANIFEST is next. */
  private trustPeer(): void {
    this.link.decoder.maxPayloadBytes = this.options.transportLimits.maxFrameBytes;
  }

  private onManifest(bytes: Buffer): void {
    const { server, codec } = this.handshake.agreement;
    for (const [index, entry] of decodeManifest(bytes).entries()) {
      (entry.kind === 'event' ? this.events : this.messages).set(entry.pattern, { index, entry });
    }
    const { transportLimits } = this.options;
    this.peer = { service: server.service, instance: server.instance };
    this.codec = codec;
    this.calls = new PendingCalls(Math.min(server.limits.maxInFlight, transportLimits.maxInFlightPerConnection));
    this.link.writer.maxPayloadBytes = server.limits.maxFrameBytes;
    this.state = 'ready';
    this.keepAlive.start();
    this.observer.onReady(this);
  }

  private onGoaway(code: number, lastExecutedId: number, payload: Buffer): void {
    this.lastExecutedId = lastExecutedId;
    if (code !== GoawayCode.DRAINING) this.goaway = goawayError(code, payload);
    if (this.state === 'ready') this.becomeDraining();
    else if (this.state === 'handshake') this.link.destroy(this.goaway);
  }

  private becomeDraining(): void {
    this.state = 'draining';
    this.observer.onDraining(this);
    this.endIfDrained();
  }
}
