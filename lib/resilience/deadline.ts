import { RookeryError } from '../core/errors.js';
import { WheelEntry, type TimerWheel } from '../core/timer-wheel.js';
import type { Call, CancelReason, Invocation, Invoke, Layer, Replies } from './layer.js';

/**
 * Ends a call at its deadline, whatever it is waiting for: the caller gets an error, the layers below are cancelled, and the handler is told.
 * All calls of a client share one timer.
 */
export function deadline<C extends Call>(wheel: TimerWheel): Layer<C> {
  return (next) => (call, replies) => {
    const deadlined = new DeadlinedCall(call, replies, wheel);
    deadlined.start(next as Invoke<Call>);
    return deadlined;
  };
}

class DeadlinedCall extends WheelEntry implements Replies, Invocation {
  private inner: Invocation | undefined = undefined;
  private isOver = false;

  constructor(
    private readonly call: Call,
    private readonly replies: Replies,
    private readonly wheel: TimerWheel,
  ) {
    super();
  }

  start(next: Invoke<Call>): void {
    this.call.deadlineKeeper = this;
    this.wheel.add(this, this.call.deadlineAtMs);
    this.inner = next(this.call, this);
  }

  next(value: unknown, bytes: number): void {
    if (!this.isOver) this.replies.next(value, bytes);
  }

  last(value: unknown): void {
    if (this.isOver) return;
    this.end();
    this.replies.last(value);
  }

  complete(): void {
    if (this.isOver) return;
    this.end();
    this.replies.complete();
  }

  fail(error: RookeryError): void {
    if (this.isOver) return;
    this.end();
    this.replies.fail(error);
  }

  cancel(reason: CancelReason): void {
    if (this.isOver) return;
    this.end();
    this.inner?.cancel(reason);
  }

  release(bytes: number): void {
    this.inner?.release(bytes);
  }

  onDeadlineMoved(): void {
    if (!this.isOver) this.wheel.add(this, this.call.deadlineAtMs);
  }

  onExpired(): void {
    this.end();
    const outcome = this.call.wasSent ? 'unknown' : 'never-sent';
    this.inner?.cancel('deadline');
    this.replies.fail(expired(this.call, outcome));
  }

  private end(): void {
    this.isOver = true;
    this.wheel.remove(this);
  }
}

function expired({ service, pattern }: Call, outcome: 'unknown' | 'never-sent'): RookeryError {
  const why = outcome === 'unknown' ? 'no reply' : 'it could not be sent';
  const way = 'allow more time with the timeout option, or find out what it waits for';
  return new RookeryError('DEADLINE_EXPIRED', `"${pattern}" of "${service}": ${why} before the deadline; ${way}`, {
    service,
    outcome,
  });
}
