import type { Clock } from '../core/clock.js';

export interface RetryBudgetOptions {
  /** Retries allowed per call, on average. @default 0.2 @range 0–10 */
  ratio?: number | undefined;
  /** Retries allowed per second whatever the traffic. @default 10 @range 0–1e6 */
  minPerSecond?: number | undefined;
}

export const RETRY_BUDGET_DEFAULTS = { ratio: 0.2, minPerSecond: 10 } as const;

/** How long unused allowance is kept; what calls earned fades with this time constant. */
const KEPT_MS = 10_000;

/**
 * Keeps retries from multiplying an outage: each call earns a fraction of a retry, each retry spends one. As Finagle's `RetryBudget`
 * (ratio 20 %, 10 per second, kept 10 s).
 */
export class RetryBudget {
  private readonly ratio: number;
  private readonly minPerSecond: number;
  /** Earned by time: at most what the minimum earns while it is kept. */
  private reserve: number;
  /** Earned by calls. */
  private earned = 0;
  /** Calls since they were last looked at; counted only, so that a call costs no look at the clock. */
  private calls = 0;
  private refilledAtMs: number;

  constructor(
    private readonly clock: Clock,
    options: RetryBudgetOptions = {},
  ) {
    this.ratio = options.ratio ?? RETRY_BUDGET_DEFAULTS.ratio;
    this.minPerSecond = options.minPerSecond ?? RETRY_BUDGET_DEFAULTS.minPerSecond;
    this.reserve = this.maxReserve;
    this.refilledAtMs = clock.now();
  }

  /** Retries that could be made right now. */
  get balance(): number {
    this.refill();
    return Math.floor(this.reserve + this.earned);
  }

  /** A first attempt was made. */
  deposit(): void {
    this.calls++;
  }

  /** True where a retry may be made now; it is then paid for. */
  withdraw(): boolean {
    this.refill();
    if (this.reserve + this.earned < 1) return false;
    const fromCalls = Math.min(1, this.earned);
    this.earned -= fromCalls;
    this.reserve -= 1 - fromCalls;
    return true;
  }

  private get maxReserve(): number {
    return (this.minPerSecond * KEPT_MS) / 1_000;
  }

  private refill(): void {
    const now = this.clock.now();
    const elapsedMs = now - this.refilledAtMs;
    this.refilledAtMs = now;
    this.reserve = Math.min(this.maxReserve, this.reserve + (elapsedMs / 1_000) * this.minPerSecond);
    // Exponential decay; of calls spread evenly over the time, the share that is left at its end.
    const kept = Math.exp(-elapsedMs / KEPT_MS);
    const keptOfNew = elapsedMs > 0 ? ((1 - kept) * KEPT_MS) / elapsedMs : 1;
    this.earned = this.earned * kept + this.calls * this.ratio * keptOfNew;
    this.calls = 0;
  }
}
