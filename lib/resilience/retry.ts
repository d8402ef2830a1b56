import { fullJitter, type BackoffOptions } from '../core/backoff.js';
import type { Clock, Timer } from '../core/clock.js';
import type { RookeryError } from '../core/errors.js';
import { mayRepeat } from '../core/outcome.js';
import type { Rng } from '../core/random.js';
import type { Call, CancelReason, Invocation, Invoke, Layer, Replies } from './layer.js';
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.js';

export interface RetryOptions {
  /** Attempts in all, the first one included. @default 3 @range 1–10 */
  attempts?: number | undefined;
  /** Limits the share of retries. @default 20 % of calls + 10/s */
  budget?: RetryBudgetOptions | undefined;
}

export const RETRY_DEFAULTS = { attempts: 3 } as const;

/** The wait before an instance is tried that already failed this call; an untried one is tried at once. */
const BACKOFF: BackoffOptions = { initialMs: 100, maxMs: 2_000 };

/** Failures of reaching somebody: another instance, or the same one a moment later, may well answer. */
const WORTH_ANOTHER_TRY = new Set([
  'CONNECT_FAILED',
  'HANDSHAKE_FAILED',
  'WRONG_INSTANCE',
  'CONNECTION_LOST',
  'PEER_DRAINING',
  'SERVER_BUSY',
]);

/**
 * Tries a failed call again: one that was never sent or was refused always, one of unknown fate only where it is idempotent, one that a
 * handler answered never. At most `attempts` times, within the budget and before the deadline.
 */
export function retry<C extends Call>(options: RetryOptions, clock: Clock, rng: Rng): Layer<C> {
  const attempts = options.attempts ?? RETRY_DEFAULTS.attempts;
  const policy: RetryPolicy = { attempts, budget: new RetryBudget(clock, options.budget), clock, rng };
  return (next) => (call, replies) => {
    policy.budget.deposit();
    const retried = new RetriedCall(call, replies, next as Invoke<Call>, policy);
    retried.attempt();
    return retried;
  };
}

interface RetryPolicy {
  readonly attempts: number;
  readonly budget: RetryBudget;
  readonly clock: Clock;
  readonly rng: Rng;
}

class RetriedCall implements Replies, Invocation {
  private current: Invocation | undefined;
  private waiting: Timer | undefined;
  private hasReplied = false;

  constructor(
    private readonly call: Call,
    private readonly replies: Replies,
    private readonly invoke: Invoke<Call>,
    private readonly policy: RetryPolicy,
  ) {}

  attempt(): void {
    const attempt = ++this.call.attempts;
    const invocation = this.invoke(this.call, this);
    // A failure during `invoke` may already have started the next attempt, or the wait for it: those are newer.
    if (attempt === this.call.attempts && this.waiting === undefined) this.current = invocation;
  }

  next(value: unknown, bytes: number): void {
    this.hasReplied = true;
    this.replies.next(value, bytes);
  }

  last(value: unknown): void {
    this.replies.last(value);
  }

  complete(): void {
    this.replies.complete();
  }

  fail(error: RookeryError): void {
    if (!this.isWorthRepeating(error)) return this.replies.fail(error);
    const delayMs = this.call.hasUntriedInstance ? 0 : fullJitter(this.call.attempts - 1, BACKOFF, this.policy.rng);
    if (this.policy.clock.now() + delayMs >= this.call.deadlineAtMs || !this.policy.budget.withdraw())
      return this.replies.fail(error);
    this.current = undefined;
    if (delayMs === 0) return this.attempt();
    this.waiting = this.policy.clock.after(delayMs, () => {
      this.waiting = undefined;
      this.attempt();
    });
  }

  cancel(reason: CancelReason): void {
    this.waiting?.cancel();
    this.current?.cancel(reason);
  }

  release(bytes: number): void {
    this.current?.release(bytes);
  }

  private isWorthRepeating(error: RookeryError): boolean {
    return (
      !this.hasReplied &&
      this.call.attempts < this.policy.attempts &&
      WORTH_ANOTHER_TRY.has(error.reason) &&
      mayRepeat(error.outcome, this.call.isIdempotent)
    );
  }
}
