import type { Socket } from 'node:net';

import { formatAddress } from '../core/address.js';
import { RookeryError } from '../core/errors.js';
import { bodyFlags, readBody, writeBody } from '../wire/body.js';
import { readCallHead, type CallHead } from '../wire/call-head.js';
import { checkFrame } from '../wire/check-frame.js';
import type { Codec } from '../wire/codec.js';
import { writeError } from '../wire/error-body.js';
import { uint32 } from '../wire/frame-decoder.js';
import type { FrameWriter } from '../wire/frame-writer.js';
import { FIRST_OPTIONAL_TYPE, Flag, FrameType, GoawayCode, MAX_CALL_ID, NO_LAST_CALL } from '../wire/frame.js';
import { malformed } from '../wire/metadata-block.js';
import { goawayCode, writeGoaway } from './connection-end.js';
import { correlationId } from './correlation-id.js';
import { FrameSocket, type FrameSocketOwner } from './frame-socket.js';
import type { Handler } from './handlers.js';
import { HelloTimer } from './hello-timer.js';
import { IncomingCall } from './incoming-call.js';
import { KeepAlive } from './keep-alive.js';
import { busy, cancelledBy, leaving, noHandler, unsendable, wireError } from './refusals.js';
import type { Peer, ServerConnectionContext } from './server-connection-context.js';
import { ServerHandshake } from './server-handshake.js';

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
  /** Calls that can be cancelled or given credit, by id. */
  private readonly calls = new Map<number, IncomingCall>();
  private running = 0;
  private lastCallId = 0;
  private hasBeenReady = false;
  private codec!: Codec;
  private readonly head: CallHead = { remainingMs: 0, pattern: undefined, metadata: undefined, bodyAt: 0 };

  constructor(
    socket: Socket,
    private readonly context: ServerConnectionContext,
  ) {
    this.link = new FrameSocket(socket, this, context.transportLimits);
    this.handshake = new ServerHandshake(context);
    this.keepAlive = new KeepAlive(this.link, context.wheel, context.keepAlive, () => undefined);
    this.helloTimer = new HelloTimer(this);
    this.peer = {
      service: '',
      instance: '',
      address: formatAddress(socket.remoteAddress ?? 'unix', socket.remotePort ?? 0),
      keyId: undefined,
    };
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
        this.link.writer.bare(FrameType.PONG, 0, callId);
        return this.link.flushSoon();
      case FrameType.PONG:
      case FrameType.GOAWAY:
        return;
      default:
        if (type < FIRST_OPTIONAL_TYPE) throw malformed(`a frame of type ${type} where none may come`);
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
    this.context.onClosed(this, error);
  }

  onHelloTimeout(): void {
    this.endWith(
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

  writeReply(call: IncomingCall, value: unknown): void {
    try {
      this.encodeReply(call, value, Flag.END, this.link.writer);
    } catch (error) {
      this.writeFailure(call, error);
    }
    this.link.flushSoon();
  }

  /** The end of a stream. */
  writeEnd(call: IncomingCall): void {
    const { writer } = this.link;
    writer.end(writer.begin(FrameType.REPLY, Flag.END | Flag.NO_VALUE, 0, call.callId));
    this.link.flushSoon();
  }

  /** One value of a stream. @returns the bytes it takes of the credit @throws RookeryError `ENCODE_FAILED`, `FRAME_TOO_LARGE` */
  writeNext(call: IncomingCall, value: unknown): number {
    const { writer } = this.link;
    const before = writer.length;
    this.encodeReply(call, value, 0, writer);
    const frameBytes = writer.length - before;
    this.link.flushSoon();
    return frameBytes;
  }

  encodeNext(call: IncomingCall, value: unknown, writer: FrameWriter): void {
    this.encodeReply(call, value, 0, writer);
  }

  /** A frame encoded before. */
  writeFrame(bytes: Buffer, start: number, end: number): void {
    this.link.writer.slice(bytes, start, end);
    this.link.flushSoon();
  }

  writeFailure(call: IncomingCall, error: unknown): void {
    this.refuse(call.callId, wireError(this.context.handlers, error));
  }

  /** The handler has ended: its slot is free. */
  callEnded(call: IncomingCall): void {
    this.context.wheel.remove(call);
    // The id of a cancelled call may be another call's by now.
    if (call.callId !== 0 && !call.isCancelled) this.calls.delete(call.callId);
    this.running--;
    this.context.freeSlot();
    this.endIfIdle();
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
    this.peer.keyId = this.handshake.key;
    this.codec = this.handshake.codec!;
    this.streamWindowBytes = client.limits.streamWindowBytes;
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
    const { head, context } = this;
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
      return this.refuse(callId, noHandler(kind, head.pattern ?? `#${code}`, context.self.service));
    if (this.state === 'refusing') return this.refuse(callId, leaving());
    if (this.running >= context.limits.maxInFlight || !context.takeSlot())
      return this.refuse(callId, busy(this.running));
    this.running++;
    this.start(kind === 'event' && !wantsReply ? 0 : callId, handler, flags, bytes, end);
  }

  private start(callId: number, handler: Handler, flags: number, bytes: Buffer, end: number): void {
    const { head, context } = this;
    const call = new IncomingCall(this, callId, handler, head.metadata, this.link.lastReadAtMs + head.remainingMs);
    if (callId !== 0) this.calls.set(callId, call);
    context.wheel.add(call, call.deadlineAtMs);
    let data: unknown;
    try {
      data = readBody(flags, this.codec, bytes, head.bodyAt, end);
    } catch (error) {
      this.refuse(callId, error as RookeryError);
      return this.callEnded(call);
    }
    call.run(data);
  }

  private onCancel(code: number, callId: number): void {
    const call = this.calls.get(callId);
    if (call === undefined) return;
    this.cancelCall(call, cancelledBy(code));
  }

  /** What comes back was sent before, so credit never grows beyond the window; a stream that has ended needs none. */
  private onCredit(callId: number, creditBytes: number): void {
    if (creditBytes === 0) throw malformed('a CREDIT of nothing');
    this.calls.get(callId)?.addCredit(creditBytes);
  }

  private cancelCall(call: IncomingCall, reason: RookeryError): void {
    this.context.wheel.remove(call);
    this.calls.delete(call.callId);
    call.cancel(reason);
  }

  private refuse(callId: number, error: RookeryError): void {
    if (callId === 0) return;
    writeError(error, callId, this.codec, this.link.writer);
    this.link.flushSoon();
  }

  /** A head over a limit costs its call; one that makes no sense, the connection. */
  private refuseHead(callId: number, error: RookeryError): void {
    if (error.outcome !== 'refused') throw error;
    if (callId > this.lastCallId) this.lastCallId = callId;
    this.refuse(callId, error);
  }

  private encodeReply(call: IncomingCall, value: unknown, flags: number, writer: FrameWriter): void {
    const start = writer.begin(FrameType.REPLY, flags | bodyFlags(value), 0, call.callId);
    try {
      writeBody(value, this.codec, writer);
      writer.end(start);
    } catch (error) {
      writer.abandon(start);
      throw unsendable(error as RookeryError);
    }
  }

  private endIfIdle(): void {
    if (this.state !== 'refusing' || this.running > 0) return;
    this.goaway(GoawayCode.DRAINING, this.lastCallId, 'closed');
    this.link.end();
  }

  private endWith(error: RookeryError): void {
    this.goaway(goawayCode(error), this.lastCallId, error.message);
    this.link.fail(error);
  }

  private goaway(code: number, lastCallId: number, text: string): void {
    writeGoaway(code, lastCallId, text, this.link.writer);
    this.link.flushSoon();
  }
}
