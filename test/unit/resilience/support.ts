import { RookeryError, type Reason } from '../../../lib/core/errors.js';
import type { Outcome } from '../../../lib/core/outcome.js';
import type { Call, CancelReason, Invocation, Invoke, Replies } from '../../../lib/resilience/layer.js';

/** A call that nobody carries anywhere. */
export class TestCall implements Call {
  readonly service = 'orders';
  readonly pattern = 'orders.place';
  deadlineKeeper: Call['deadlineKeeper'] = undefined;
  wasSent = false;
  attempts = 0;
  isIdempotent = false;
  hasUntriedInstance = true;

  constructor(public deadlineAtMs: number) {}
}

/** The line of what a caller, or a layer, was told. */
export class Heard implements Replies {
  readonly told: string[] = [];
  error: RookeryError | undefined;

  next(value: unknown, bytes: number): void {
    this.told.push(`next ${String(value)} (${bytes})`);
  }
  last(value: unknown): void {
    this.told.push(`last ${String(value)}`);
  }
  complete(): void {
    this.told.push('complete');
  }
  fail(error: RookeryError): void {
    this.error = error;
    this.told.push(`fail ${error.reason}`);
  }
}

/** One attempt that reached the bottom. */
export class Attempt implements Invocation {
  cancelled: CancelReason | undefined;
  released = 0;

  constructor(readonly replies: Replies) {}

  cancel(reason: CancelReason): void {
    this.cancelled = reason;
  }
  release(bytes: number): void {
    this.released += bytes;
  }
}

/** The bottom of a stack: every attempt, to be answered by the test. */
export class Bottom {
  readonly attempts: Attempt[] = [];
  /** Answers an attempt before `invoke` returns. */
  answer: ((replies: Replies, attempt: number) => void) | undefined;

  readonly invoke: Invoke<TestCall> = (_call, replies) => {
    const attempt = new Attempt(replies);
    this.attempts.push(attempt);
    this.answer?.(replies, this.attempts.length);
    return attempt;
  };

  get last(): Attempt {
    return this.attempts.at(-1)!;
  }
}

export function failure(reason: Reason = 'CONNECTION_LOST', outcome?: Outcome): RookeryError {
  return new RookeryError(reason, 'as the test says', { outcome });
}
