import { RookeryError } from '../core/errors.js';
import { readBody } from '../wire/body.js';
import { readCallHead, type CallHead } from '../wire/call-head.js';
import type { Codec } from '../wire/codec.js';
import type { Failure } from '../wire/error-body.js';
import { CancelCode, Flag, MAX_CALL_ID } from '../wire/frame.js';
import { malformed } from '../wire/metadata-block.js';
import {
  OVERSIZE_HEAD_WEIGHT,
  SMALL_CREDIT_BYTES,
  UNREADABLE_CALL_WEIGHT,
  USELESS_CALL_WEIGHT,
  type FloodGuard,
} from './flood-guard.js';
import type { FrameSocket } from './frame-socket.js';
import type { Handler } from './handlers.js';
import { awaitsReader, IncomingCall } from './incoming-call.js';
import { LateCalls } from './late-calls.js';
import { BUSY, cancelledBy, LEAVING, noHandler, NO_ROOM } from './refusals.js';
import type { ServerConnection } from './server-connection.js';
import type { ServerConnectionContext } from './server-connection-context.js';

/** By how much a caller's deadline may pass before this end's. */
const DEADLINE_SLACK_MS = 100;

/** The calls of one connection: takes them in or refuses them, and counts them until their handlers have ended. */
export class IncomingCalls {
  /** Whether further calls are refused, since this end goes away. */
  isRefusing = false;
  /** Handlers that have not ended, whether or not anybody still waits for them. */
  running = 0;
  /** The highest id of a call that was taken, executed or refused. */
  lastId = 0;

  /** Calls that can be cancelled or given credit, by id. */
  private readonly byId = new Map<number, IncomingCall>();
  /** Of the bodies of the calls that run. */
  private bodyBytes = 0;
  /** Made when there are some. */
  private late: LateCalls | undefined;
  private readonly head: CallHead = { remainingMs: 0, pattern: undefined, metadata: undefined, bodyAt: 0 };

  constructor(
    private readonly connection: ServerConnection,
    private readonly link: FrameSocket,
    private readonly guard: FloodGuard,
    private readonly codec: Codec,
    private readonly context: ServerConnectionContext,
  ) {}

  /** Whether a stream waits for its reader's credit. */
  get awaitReader(): boolean {
    return awaitsReader(this.byId);
  }

  /** A REQUEST or EVENT. */
  onCall(
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
    link.countTowardsTurn();
    const wantsReply = kind === 'message' || (flags & Flag.ACK) !== 0;
    if (wantsReply !== (callId !== 0) || callId > MAX_CALL_ID || this.byId.has(callId)) {
      throw malformed(`call id ${callId} is not free or not allowed here`);
    }
    try {
      readCallHead(flags, bytes, start, end, context.transportLimits, head);
    } catch (error) {
      return this.refuseHead(callId, error as RookeryError);
    }
    if (callId > this.lastId) this.lastId = callId;

    const handler = context.handlers.find(kind, code, head.pattern);
    if (handler === undefined)
      return this.refuseUseless(callId, noHandler(kind, head.pattern ?? `#${code}`, context.self.service));
    if (this.isRefusing) return this.connection.replies.refusal(callId, LEAVING);
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

  onCancel(code: number, callId: number): void {
    const { guard, link } = this;
    link.countTowardsTurn();
    const call = this.byId.get(callId);
    if (call === undefined) return guard.onIdleFrame(link.lastReadAtMs, link.silentForMs);
    const isForDeadline = code === CancelCode.DEADLINE && call.deadlineAtMs - link.lastReadAtMs < DEADLINE_SLACK_MS;
    // Who has read a value, or waited as long as he said, is no flooder.
    if (!call.isStreaming && !isForDeadline) guard.onCancel(link.lastReadAtMs, link.silentForMs);
    this.cancel(call, cancelledBy(code));
  }

  /** What comes back was sent before, so credit never grows beyond the window; a stream that has ended needs none. */
  onCredit(callId: number, creditBytes: number): void {
    if (creditBytes === 0) throw malformed('a CREDIT of nothing');
    const { link } = this;
    const call = this.byId.get(callId);
    if (call === undefined || creditBytes < SMALL_CREDIT_BYTES) {
      link.countTowardsTurn();
      this.guard.onIdleFrame(link.lastReadAtMs, link.silentForMs);
    }
    call?.addCredit(creditBytes);
  }

  onPong(token: number): void {
    this.late?.onPong(token);
  }

  /** The connection can take bytes again. */
  resumeAll(): void {
    for (const call of [...this.byId.values()]) call.resume();
  }

  /** The connection is gone. */
  cancelAll(reason: RookeryError): void {
    for (const call of [...this.byId.values()]) this.cancel(call, reason);
    this.late?.release();
  }

  /** A call's deadline passed: its handler is told, and nobody is answered, for the caller stopped waiting too. */
  onExpired(call: IncomingCall): void {
    const why = `the deadline of "${call.handler.pattern}" passed while its handler ran`;
    this.cancel(call, new RookeryError('DEADLINE_EXPIRED', why));
  }

  /** The handler has ended: its slot is free. */
  onEnded(call: IncomingCall): void {
    const { context } = this;
    context.wheel.remove(call);
    // The id of a cancelled call may be another call's by now.
    if (call.callId !== 0 && !call.isCancelled) this.byId.delete(call.callId);
    this.running--;
    this.connection.replies.callEnded(call);
    this.bodyBytes -= call.bodyBytes;
    context.budgets.bodies.free(call.bodyBytes);
    context.freeSlot();
  }

  private start(callId: number, handler: Handler, flags: number, bytes: Buffer, end: number): void {
    const { head, context } = this;
    const { metadata, remainingMs, bodyAt } = head;
    const call = new IncomingCall(
      this.connection,
      callId,
      handler,
      metadata,
      this.link.lastReadAtMs + remainingMs,
      end - bodyAt,
    );
    if (callId !== 0) this.byId.set(callId, call);
    context.wheel.add(call, call.deadlineAtMs);
    let data: unknown;
    try {
      data = readBody(flags, this.codec, bytes, bodyAt, end);
    } catch (error) {
      this.connection.callEnded(call);
      return this.refuseUseless(callId, error as RookeryError, UNREADABLE_CALL_WEIGHT);
    }
    // Who wants no answer cannot take the call back.
    if (remainingMs <= this.link.silentForMs && callId !== 0) (this.late ??= new LateCalls(this.link)).add(call, data);
    else call.run(data);
  }

  private cancel(call: IncomingCall, reason: RookeryError): void {
    this.context.wheel.remove(call);
    this.byId.delete(call.callId);
    call.cancel(reason);
  }

  /** A head over a limit costs its call; one that makes no sense, the connection. */
  private refuseHead(callId: number, error: RookeryError): void {
    if (error.outcome !== 'refused') throw error;
    if (callId > this.lastId) this.lastId = callId;
    this.refuseUseless(callId, error, OVERSIZE_HEAD_WEIGHT);
  }

  /** Where it is the process that is busy, its callers may not know; they cost something all the same. */
  private refuseBusy(callId: number, error: Failure): void {
    this.refuseUseless(callId, error, 1);
  }

  /** Refuses what an honest client does not send in numbers. */
  private refuseUseless(callId: number, error: Failure, weight = USELESS_CALL_WEIGHT): void {
    this.guard.onIdleFrame(this.link.lastReadAtMs, this.link.silentForMs, weight);
    this.connection.replies.refusal(callId, error);
  }
}
