import type { Socket } from 'node:net';

import { RookeryError } from '../core/errors.js';
import { readBody } from '../wire/body.js';
import { readCallHead, type CallHead } from '../wire/call-head.js';
import { checkFrame } from '../wire/check-frame.js';
import type { Codec } from '../wire/codec.js';
import type { Failure } from '../wire/error-body.js';
import { uint32 } from '../wire/frame-decoder.js';
import {
  CancelCode,
  FIRST_OPTIONAL_TYPE,
  Flag,
  FrameType,
  GoawayCode,
  MAX_CALL_ID,
  NO_LAST_CALL,
} from '../wire/frame.js';
import { malformed } from '../wire/metadata-block.js';
import { goawayCode, writeGoaway } from './connection-end.js';
import { correlationId } from './correlation-id.js';
import { FloodGuard, SMALL_CREDIT_BYTES, UNREADABLE_CALL_WEIGHT, USELESS_CALL_WEIGHT } from './flood-guard.js';
import { FrameSocket, type FrameSocketOwner } from './frame-socket.js';
import type { Handler } from './handlers.js';
import { HelloTimer } from './hello-timer.js';
import { awaitsReader, IncomingCall } from './incoming-call.js';
import { KeepAlive } from './keep-alive.js';
import { LateCalls } from './late-calls.js';
import { peerAddress } from './listening.js';
import { BUSY, cancelledBy, LEAVING, noHandler, NO_ROOM } from './refusals.js';
import { ReplyWriter } from './reply-writer.js';
import type { Peer, ServerConnectionContext } from './server-connection-context.js';
import { ServerHandshake } from './server-handshake.js';

/** By how much a caller's deadline may pass before this end's. */
const DEADLINE_SLACK_MS = 100;

type State = 'handshake' | 'ready' | 'refusing' | 'closed';

/** The accepting end of one connection: runs handlers, answers, streams under the reader's credit. */
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
  /** Made when there are some. */
  private lateCalls: LateCalls | undefined;
  /** Why the handshake failed, while the answer is held back. */
  private heldBack: RookeryError | undefined;
  /** Calls that can be cancelled or given credit, by id. */
  private readonly calls = new Map<number, IncomingCall>();
  private running = 0;
  /** Of the bodies of its running calls. */
  private bodyBytes = 0;
  private lastCallId = 0;
  private hasBeenReady = false;
  private codec!: Codec;
  /** Once it is ready. */
  replies!: ReplyWriter;
  private readonly head: CallHead = { remainingMs: 0, pattern: undefined, metadata: undefined, bodyAt: 0 };

  constructor(
    socket: Socket,
    private readonly context: ServerConnectionContext,
  ) {
    this.link = new FrameSocket(socket, this, context.transportLimits, context.budgets);
    this.guard = new FloodGuard(context.transportLimits);
    this.handshake = new ServerHandshake(context, (hello) => context.verifyPeer?.(hello, socket) ?? []);
    this.keepAlive = new KeepAlive(this.link, context.wheel, context.keepAlive, () =>
      awaitsReader(this.calls) ? 0 : undefined,
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
    return this.running;
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
    this.endIfIdle();
  }

  destroy(error?: Error): void {
    this.link.destroy(error);
  }

  onFrame(type: number, flags: number, code: number, callId: number, bytes: Buffer, start: number, end: number): void {
    checkFrame(type, flags, end - start);
    if (this.state === 'handshake') return this.onHandshakeFrame(type, bytes.subarray(start, end));
    switch (type) {
      case FrameType.REQUEST:
        return this.onCall('message', flags, code, callId, bytes, start, end);
      case FrameType.EVENT:
        return this.onCall('event', flags, code, callId, bytes, start, end);
      case FrameType.CANCEL:
        return this.onCancel(code, callId);
      case FrameType.CREDIT:
        return this.onCredit(callId, uint32(bytes, start));
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
    for (const call of [...this.calls.values()]) call.resume();
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
    for (const call of [...this.calls.values()]) this.cancelCall(call, reason);
    this.lateCalls?.release();
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

  /** A call's deadline passed: its handler is told, and nobody is answered, for the caller stopped waiting too. */
  onCallExpired(call: IncomingCall): void {
    this.cancelCall(
      call,
      new RookeryError('DEADLINE_EXPIRED', `the deadline of "${call.handler.pattern}" passed while its handler ran`),
    );
  }

  /** The handler has ended: its slot is free. */
  callEnded(call: IncomingCall): void {
    this.context.wheel.remove(call);
    // The id of a cancelled call may be another call's by now.
    if (call.callId !== 0 && !call.isCancelled) this.calls.delete(call.callId);
    this.running--;
    this.replies.callEnded(call);
    this.bodyBytes -= call.bodyBytes;
    this.context.budgets.bodies.free(call.bodyBytes);
    this.context.freeSlot();
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
    if (type === FrameType.PONG) this.lateCalls?.onPong(callId);
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
    this.codec = this.handshake.codec!;
    this.streamWindowBytes = client.limits.streamWindowBytes;
    this.replies = new ReplyWriter(link, this.codec, context.handlers, context.transportLimits.maxStreamsPerConnection);
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

  private onCall(
    kind: 'message' | 'event',
    flags: number,
    code: number,
    callId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { head, context, link } = this;
    this.guard.calls++;
    if (--link.callsThisTurn === 0) link.endTurn();
    const wantsReply = kind === 'message' || (flags & Flag.ACK) !== 0;
    if (wantsReply !== (callId !== 0) || callId > MAX_CALL_ID || this.calls.has(callId)) {
      throw malformed(`call id ${callId} is not free or not allowed here`);
    }
    try {
      readCallHead(flags, bytes, start, end, context.transportLimits, head);
    } catch (error) {
      return this.refuseHead(callId, error as RookeryError);
    }
    if (callId > this.lastCallId) this.lastCallId = callId;

    const handler = context.handlers.find(kind, code, head.pattern);
    if (handler === undefined)
      return this.refuseUseless(callId, noHandler(kind, head.pattern ?? `#${code}`, context.self.service));
    if (this.state === 'refusing') return this.replies.refusal(callId, LEAVING);
    // Who keeps to the limit it was told is never above it by more than calls it has cancelled.
    if (this.running >= context.limits.maxInFlight) return this.refuseUseless(callId, BUSY);
    const bodyBytes = end - head.bodyAt;
    if (!context.budgets.bodies.take(this.bodyBytes, bodyBytes)) return this.refuseBusy(callId, NO_ROOM);
    if (!context.takeSlot(this.running)) {
      context.budgets.bodies.free(bodyBytes);
      return this.refuseBusy(callId, BUSY);
    }
    this.running++;
    this.bodyBytes += bodyBytes;
    this.start(callId, handler, flags, bytes, end);
  }

  private start(callId: number, handler: Handler, flags: number, bytes: Buffer, end: number): void {
    const { head, context } = this;
    const { metadata, remainingMs, bodyAt } = head;
    const call = new IncomingCall(this, callId, handler, metadata, this.link.lastReadAtMs + remainingMs, end - bodyAt);
    if (callId !== 0) this.calls.set(callId, call);
    context.wheel.add(call, call.deadlineAtMs);
    let data: unknown;
    try {
      data = readBody(flags, this.codec, bytes, bodyAt, end);
    } catch (error) {
      this.callEnded(call);
      return this.refuseUseless(callId, error as RookeryError, UNREADABLE_CALL_WEIGHT);
    }
    // Who wants no answer cannot take the call back.
    if (remainingMs <= this.link.silentForMs && callId !== 0)
      (this.lateCalls ??= new LateCalls(this.link)).add(call, data);
    else call.run(data);
  }

  private onCancel(code: number, callId: number): void {
    const { guard, link } = this;
    const call = this.calls.get(callId);
    if (call === undefined) return guard.onIdleFrame(link.lastReadAtMs, link.silentForMs);
    const isForDeadline = code === CancelCode.DEADLINE && call.deadlineAtMs - link.lastReadAtMs < DEADLINE_SLACK_MS;
    // Who has read a value, or waited as long as he said, is no flooder.
    if (!call.isStreaming && !isForDeadline) guard.onCancel(link.lastReadAtMs, link.silentForMs);
    this.cancelCall(call, cancelledBy(code));
  }

  /** What comes back was sent before, so credit never grows beyond the window; a stream that has ended needs none. */
  private onCredit(callId: number, creditBytes: number): void {
    if (creditBytes === 0) throw malformed('a CREDIT of nothing');
    const call = this.calls.get(callId);
    if (call === undefined || creditBytes < SMALL_CREDIT_BYTES)
      this.guard.onIdleFrame(this.link.lastReadAtMs, this.link.silentForMs);
    call?.addCredit(creditBytes);
  }

  private cancelCall(call: IncomingCall, reason: RookeryError): void {
    this.context.wheel.remove(call);
    this.calls.delete(call.callId);
    call.cancel(reason);
  }

  /** A head over a limit costs its call; one that makes no sense, the connection. */
  private refuseHead(callId: number, error: RookeryError): void {
    if (error.outcome !== 'refused') throw error;
    if (callId > this.lastCallId) this.lastCallId = callId;
    this.refuseUseless(callId, error, UNREADABLE_CALL_WEIGHT);
  }

  /** Where it is the process that is busy, its callers may not know; they cost something all the same. */
  private refuseBusy(callId: number, error: Failure): void {
    this.refuseUseless(callId, error, 1);
  }

  /** Refuses what an honest client does not send in numbers. */
  private refuseUseless(callId: number, error: Failure, weight = USELESS_CALL_WEIGHT): void {
    this.guard.onIdleFrame(this.link.lastReadAtMs, this.link.silentForMs, weight);
    this.replies.refusal(callId, error);
  }

  private endIfIdle(): void {
    if (this.state !== 'refusing' || this.running > 0) return;
    this.goaway(GoawayCode.DRAINING, this.lastCallId, 'closed');
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
    this.goaway(goawayCode(error), this.lastCallId, error.message);
    this.link.fail(error);
  }

  private goaway(code: number, lastCallId: number, text: string): void {
    writeGoaway(code, lastCallId, text, this.link.writer);
    this.link.flushSoon();
  }
}
