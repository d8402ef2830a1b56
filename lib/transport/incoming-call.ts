import { RookeryError } from '../core/errors.js';
import { CORRELATION_ID, type Metadata } from '../core/metadata.js';
import { WheelEntry } from '../core/timer-wheel.js';
import { malformed } from '../wire/metadata-block.js';
import type { Handler } from './handlers.js';
import { isAsyncIterable, ReplyStream, type Subscribable } from './reply-stream.js';
import type { ServerConnection } from './server-connection.js';

/** One call a peer makes here, from its frame to the end of its handler. */
export class IncomingCall extends WheelEntry {
  /** Whether it has a place among its connection's streams; set by the `ReplyWriter`. */
  isStreaming = false;
  private stream: ReplyStream | undefined = undefined;
  private aborter: AbortController | undefined = undefined;
  private abortReason: RookeryError | undefined = undefined;
  /** Whether the last reply was sent, or nobody waits for one. */
  private isAnswered: boolean;

  constructor(
    readonly connection: ServerConnection,
    /** 0 for an event nobody wants acknowledged. */
    readonly callId: number,
    readonly handler: Handler,
    /** As it travelled; `undefined` where there was none. */
    readonly metadata: Metadata | undefined,
    /** Monotonic time by which the caller stops waiting, in ms. */
    readonly deadlineAtMs: number,
    /** Of its body, as it arrived. */
    readonly bodyBytes: number,
  ) {
    super();
    this.isAnswered = callId === 0;
  }

  /** Aborts when the caller cancelled, its deadline passed, or its connection is gone. Made on first use. */
  get signal(): AbortSignal {
    if (this.aborter === undefined) {
      this.aborter = new AbortController();
      if (this.abortReason) this.aborter.abort(this.abortReason);
    }
    return this.aborter.signal;
  }

  /** The caller's, or one that both ends derive. */
  get correlationId(): string {
    return this.metadata?.[CORRELATION_ID] ?? this.connection.correlationIdOf(this.callId);
  }

  get isCancelled(): boolean {
    return this.abortReason !== undefined;
  }

  /** Whether it is a stream that goes on only when its reader has read. */
  get awaitsReader(): boolean {
    return this.stream?.awaitsReader === true;
  }

  /** Runs the handler and answers with what comes of it. */
  run(data: unknown): void {
    let result: unknown;
    try {
      result = this.handler.handle(data, this);
      if (isPromiseLike(result)) return void this.settleLater(result);
    } catch (error) {
      return this.failed(error);
    }
    this.settle(result);
  }

  /** The peer gives a stream more room. @throws RookeryError `FRAME_MALFORMED` for more than was ever sent */
  addCredit(bytes: number): void {
    if (this.stream === undefined) throw malformed('credit for a call that has sent nothing');
    this.stream.addCredit(bytes);
  }

  /** The connection can take bytes again. */
  resume(): void {
    this.stream?.resume();
  }

  /**
   * The caller no longer waits: the handler hears it through its signal, a stream is unsubscribed. The call ends with its handler, whenever
   * that is.
   */
  cancel(reason: RookeryError): void {
    if (this.abortReason) return;
    this.abortReason = reason;
    this.isAnswered = true;
    this.stream?.stop();
    this.aborter?.abort(reason);
  }

  onExpired(): void {
    this.connection.onCallExpired(this);
  }

  /** Called by the stream when it has no further value. */
  streamEnded(error: unknown, hasFailed: boolean): void {
    if (hasFailed) return this.answerFailure(error);
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.connection.replies.end(this);
  }

  /** Called once, when nothing of the handler runs any more, a stream's source included. */
  ended(): void {
    this.connection.callEnded(this);
  }

  private async settleLater(promise: PromiseLike<unknown>): Promise<void> {
    let result: unknown;
    try {
      result = await promise;
    } catch (error) {
      return this.failed(error);
    }
    this.settle(result);
  }

  private settle(result: unknown): void {
    if (isSubscribable(result)) {
      if (this.isCancelled) return this.ended();
      this.stream = new ReplyStream(this);
      return this.stream.subscribe(result);
    }
    if (isAsyncIterable(result)) {
      if (this.isCancelled) return this.ended();
      this.stream = new ReplyStream(this);
      return this.stream.pump(result);
    }
    if (!this.isAnswered) {
      this.isAnswered = true;
      this.connection.replies.reply(this, result);
    }
    this.ended();
  }

  private failed(error: unknown): void {
    this.answerFailure(error);
    this.ended();
  }

  private answerFailure(error: unknown): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.connection.replies.failure(this, error);
  }
}

/** Whether one of them is a stream that goes on only when its reader has read. */
export function awaitsReader(calls: ReadonlyMap<number, IncomingCall>): boolean {
  for (const call of calls.values()) if (call.awaitsReader) return true;
  return false;
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function';
}

function isSubscribable(value: unknown): value is Subscribable {
  return typeof value === 'object' && value !== null && typeof (value as Subscribable).subscribe === 'function';
}
