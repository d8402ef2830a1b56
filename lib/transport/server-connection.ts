import type { Socket } from 'node:net';

import { RookeryError } from '../core/errors.js';
import { checkFrame } from '../wire/check-frame.js';
import { uint32 } from '../wire/frame-decoder.js';
import { FIRST_OPTIONAL_TYPE, FrameType, GoawayCode, NO_LAST_CALL } from '../wire/frame.js';
import { malformed } from '../wire/metadata-block.js';
import { goawayCode, writeGoaway } from './connection-end.js';
import { correlationId } from './correlation-id.js';
import { FloodGuard } from './flood-guard.js';
import { FrameSocket, type FrameSocketOwner } from './frame-socket.js';
import { HelloTimer } from './hello-timer.js';
import type { IncomingCall } from './incoming-call.js';
import { IncomingCalls } from './incoming-calls.js';
import { KeepAlive } from './keep-alive.js';
import { peerAddress } from './listening.js';
import { ReplyWriter } from './reply-writer.js';
import type { Peer, ServerConnectionContext } from './server-connection-context.js';
import { ServerHandshake } from './server-handshake.js';

type State = 'handshake' | 'ready' | 'refusing' | 'closed';

/** The accepting end of one connection, from its handshake to its end. */
export class ServerConnection implements FrameSocketOwner {
  state: State = 'handshake';
  readonly peer: Peer;
  /** The peer's window for one stream. */
  streamWindowBytes = 0;

  private readonly link: FrameSocket;
  private readonly handshake: ServerHandshake;
  private readonly keepAlive: KeepAlive;
  private readonly helloTimer: HelloTimer;
  private readonly guard: FloodGuard;
  /** Why the handshake failed, while the answer is held back. */
  private heldBack: RookeryError | undefined;
  private hasBeenReady = false;
  /** Once it is ready. */
  private calls: IncomingCalls | undefined;
  replies!: ReplyWriter;

  constructor(
    socket: Socket,
    private readonly context: ServerConnectionContext,
  ) {
    this.link = new FrameSocket(socket, this, context.transportLimits, context.budgets, context.turn);
    this.guard = new FloodGuard(context.transportLimits);
    this.handshake = new ServerHandshake(context, (hello) => context.verifyPeer?.(hello, socket) ?? []);
    this.keepAlive = new KeepAlive(this.link, context.wheel, context.keepAlive, () =>
      this.calls?.awaitReader ? 0 : undefined,
    );
    this.helloTimer = new HelloTimer(this);
    this.peer = { service: '', instance: '', address: peerAddress(socket), keyId: undefined, certificateNames: [] };
    context.wheel.add(this.helloTimer, performance.now() + context.transportLimits.helloTimeoutMs);
  }

  /** Whether its handshake has ended, as its server was told by `onReady`. */
  get isAuthenticated(): boolean {
    return this.hasBeenReady;
  }

  /** Handlers that have not ended, whether or not anybody still waits for them. */
  get inFlight(): number {
    return this.calls?.running ?? 0;
  }

  /** The correlation id of a call that came without one. */
  correlationIdOf(callId: number): string {
    return correlationId(this.handshake.client!.nonce, callId);
  }

  get unsentBytes(): number {
    return this.link.pendingBytes;
  }

  get maxPayloadBytes(): number {
    return this.link.writer.maxPayloadBytes;
  }

  get maxSendBufferBytes(): number {
    return this.context.transportLimits.maxSendBufferBytes;
  }

  /** Asks the client to make no further calls here. Those it makes meanwhile are still served. */
  announceDrain(): void {
    if (this.state === 'ready') this.goaway(GoawayCode.DRAINING, NO_LAST_CALL, 'draining');
  }

  /** From now on calls are refused unexecuted; the connection ends with its last running one. */
  refuseCalls(): void {
    if (this.state === 'handshake') return this.link.destroy();
    if (this.state !== 'ready') return;
    this.state = 'refusing';
    this.calls!.isRefusing = true;
    this.endIfIdle();
  }

  destroy(error?: Error): void {
    this.link.destroy(error);
  }

  onFrame(type: number, flags: number, code: number, callId: number, bytes: Buffer, start: number, end: number): void {
    checkFrame(type, flags, end - start);
    const { calls } = this;
    if (calls === undefined) return this.onHandshakeFrame(type, bytes.subarray(start, end));
    switch (type) {
      case FrameType.REQUEST:
        return calls.onCall('message', flags, code, callId, bytes, start, end);
      case FrameType.EVENT:
        return calls.onCall('event', flags, code, callId, bytes, start, end);
      case FrameType.CANCEL:
        return calls.onCancel(code, callId);
      case FrameType.CREDIT:
        return calls.onCredit(callId, uint32(bytes, start));
      case FrameType.PING:
        return this.onPing(callId);
      default:
        return this.onIdleFrame(type, callId);
    }
  }

  onProtocolError(error: RookeryError): void {
    this.endWith(error);
  }

  /** Callers who do not take their replies make no further calls meanwhile. */
  onSendBufferFull(): void {
    this.link.pauseUntilDrained();
  }

  onDrained(): void {
    this.calls?.resumeAll();
  }

  onSocketClosed(error: Error | undefined): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.context.wheel.remove(this.helloTimer);
    this.keepAlive.stop();
    const reason = new RookeryError(
      'CALLER_ABORTED',
      `the caller's connection is gone${error ? `: ${error.message}` : ''}`,
    );
    this.calls?.cancelAll(reason);
    this.context.onClosed(this, error);
  }

  /** The time for the hello is over; or, where it failed, that of the silence after it. */
  onHelloTimeout(): void {
    if (this.heldBack) return this.endAtOnce(this.heldBack);
    this.context.onHandshakeFailed(this);
    this.endAtOnce(
      new RookeryError(
        'HANDSHAKE_FAILED',
        `no complete hello within ${this.context.transportLimits.helloTimeoutMs} ms`,
      ),
    );
  }

  onCallExpired(call: IncomingCall): void {
    this.calls!.onExpired(call);
  }

  callEnded(call: IncomingCall): void {
    this.calls!.onEnded(call);
    this.endIfIdle();
  }

  private onPing(token: number): void {
    this.guard.onPing(this.link.lastReadAtMs);
    this.link.writer.bare(FrameType.PONG, 0, token);
    this.link.flushSoon();
  }

  /** PONG, GOAWAY, or an extension that may be skipped. */
  private onIdleFrame(type: number, callId: number): void {
    if (type < FIRST_OPTIONAL_TYPE && type !== FrameType.PONG && type !== FrameType.GOAWAY)
      throw malformed(`a frame of type ${type} where none may come`);
    if (type === FrameType.PONG) this.calls?.onPong(callId);
    this.link.countTowardsTurn();
    this.guard.onIdleFrame(this.link.lastReadAtMs, this.link.silentForMs);
  }

  private onHandshakeFrame(type: number, payload: Buffer): void {
    if (type === FrameType.HELLO) this.handshake.onClientHello(payload, this.link.writer);
    else if (type === FrameType.AUTH) this.handshake.onClientProof(payload);
    else throw malformed(`a frame of type ${type} before the end of the handshake`);
    if (this.handshake.isComplete) this.becomeReady();
    this.link.flush();
  }

  private becomeReady(): void {
    const { context, link } = this;
    const client = this.handshake.client!;
    this.peer.service = client.service;
    this.peer.instance = client.instance;
    this.peer.keyId = this.handshake.secret?.id;
    this.peer.certificateNames = this.handshake.certificateNames;
    const codec = this.handshake.codec!;
    this.streamWindowBytes = client.limits.streamWindowBytes;
    this.replies = new ReplyWriter(link, codec, context.handlers, context.transportLimits.maxStreamsPerConnection);
    this.calls = new IncomingCalls(this, link, this.guard, codec, context);
    link.writer.maxPayloadBytes = client.limits.maxFrameBytes;
    link.decoder.maxPayloadBytes = context.transportLimits.maxFrameBytes;
    context.wheel.remove(this.helloTimer);
    this.keepAlive.start();
    this.state = 'ready';
    const start = link.writer.begin(FrameType.MANIFEST, 0, 0, 0);
    link.writer.raw(context.manifest(client.limits.maxFrameBytes));
    link.writer.end(start);
    this.hasBeenReady = true;
    context.onReady(this);
  }

  private endIfIdle(): void {
    if (this.state !== 'refusing' || this.inFlight > 0) return;
    this.goaway(GoawayCode.DRAINING, this.calls?.lastId ?? 0, 'closed');
    this.link.end();
  }

  /** An address that keeps failing the handshake hears so later and later. */
  private endWith(error: RookeryError): void {
    const delayMs = this.state === 'handshake' ? this.context.onHandshakeFailed(this) : 0;
    if (delayMs === 0) return this.endAtOnce(error);
    this.heldBack = error;
    this.link.pauseReading();
    this.context.wheel.add(this.helloTimer, performance.now() + delayMs);
  }

  private endAtOnce(error: RookeryError): void {
    this.goaway(goawayCode(error), this.calls?.lastId ?? 0, error.message);
    this.link.fail(error);
  }

  private goaway(code: number, lastCallId: number, text: string): void {
    writeGoaway(code, lastCallId, text, this.link.writer);
    this.link.flushSoon();
  }
}
