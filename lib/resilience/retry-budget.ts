import type { Clock } from '../core/clock.js';

export interface RetryBudgetOptions {
  /** Retries allowed per call, on average. @default 0.2 @range 0–10 */
  ratio?: number | undefined;
  /** Retries allowed per second whatever the traffic. @default 10 @range 0–1e6 */
  minPerSecond?: number | undefined;
}

export const RETRY_BUDGET_DEFAULTS = { ratio: 0.2, minPerSecond: 10 } as const;

/** How long unused allowance is kept. */
const KEPT_SECONDS = 10;

/**
 * Keeps retries from multiplying an outage: each call earns a fraction of a retry, each retry spends one. A token bucket as Finagle's
 * `RetryBudget` (ratio 20 %, 10 per second, kept 10 s).
 */
export class RetryBudget {
  private tokens: number;
  private refilledAtMs: number;
  private readonly ratio: number;
  private readonly minPerSecond: number;

  constructor(
    private readonly clock: Clock,
    options: RetryBudgetOptions = {},
  ) {
    this.ratio = options.ratio ?? RETRY_BUDGET_DEFAULTS.ratio;
    this.minPerSecond = options.minPerSecond ?? RETRY_BUDGET_DEFAULTS.minPerSecond;
    this.tokens = this.minPerSecond * KEPT_SECONDS;
    this.refilledAtMs = clock.now();
  }

  /** Retries that could be made right now. */
  get balance(): number {
    return Math.floor(this.tokens);
  }

  /** A first attempt was made. */
  deposit(): void {
    if (this.tokens < this.capacity) this.tokens += this.ratio;
  }

  /** True where a retry may be made now; it is then paid for. */
  withdraw(): boolean {
    const now = this.clock.now();
    const earned = ((now - this.refilledAtMs) / 1_000) * this.minPerSecond;
    this.refilledAtMs = now;
    this.tokens = Math.min(this.capacity, this.tokens + earned);
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** The reserve, or what ten seconds of 1,000 calls/s earn, whichever is more. */
  private get capacity(): number {
    return Math.max(this.minPerSecond * KEPT_SECONDS, this.ratio * 1_000 * KEPT_SECONDS);
  }
}
