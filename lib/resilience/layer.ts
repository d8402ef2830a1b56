import type { RookeryError } from '../core/errors.js';

/** What the layers of a client know of one call; the transport's `OutgoingCall` is one. */
export interface Call {
  readonly service: string;
  readonly pattern: string;
  /** Monotonic time by which it ends, in ms. */
  readonly deadlineAtMs: number;
  /** Told when `deadlineAtMs` was moved: the handler's own declaration became known. */
  deadlineKeeper: { onDeadlineMoved(): void } | undefined;
  /** Whether a byte of it was given to a socket. */
  readonly wasSent: boolean;
  /** Times it was tried so far. */
  attempts: number;
  /** Whether it may be executed twice: the caller's word, else the handler's own declaration, else no. */
  readonly isIdempotent: boolean;
  /** Whether there is an instance left that has not failed this call. */
  hasUntriedInstance: boolean;
}

/** Where a call's replies go. After `last`, `complete` or `fail` nothing follows. */
export interface Replies {
  /** `bytes`: what the value took on the wire, to be given back by `Invocation.release` once it is consumed. */
  next(value: unknown, bytes: number): void;
  /** A value and the end in one: how a unary call is answered, so that whoever takes the value and leaves cancels nothing. */
  last(value: unknown): void;
  /** The end of a stream, or of an event. */
  complete(): void;
  fail(error: RookeryError): void;
}

/** A call under way. */
export interface Invocation {
  /** Stops it and tells the handler. The call's `Replies` hear nothing more from below. */
  cancel(reason: CancelReason): void;
  /** Bytes of a stream that the reader is done with: lets the sender go on. */
  release(bytes: number): void;
}

export type CancelReason = 'unsubscribed' | 'deadline';

/** Starts a call. Never throws: failures go to `replies.fail`, which may happen before it returns. */
export type Invoke<C extends Call = Call> = (call: C, replies: Replies) => Invocation;

/** One policy around a call. */
export type Layer<C extends Call = Call> = (next: Invoke<C>) => Invoke<C>;

/** The layers around a call, outermost first. */
export function stack<C extends Call>(layers: readonly Layer<C>[], innermost: Invoke<C>): Invoke<C> {
  return layers.reduceRight((next, layer) => layer(next), innermost);
}
