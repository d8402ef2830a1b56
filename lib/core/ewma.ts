/**
 * Peak exponentially weighted moving average of a latency: rises to a peak at once, decays over `decayMs`.
 * Source: Finagle's `PeakEwma` (Twitter): cost = max(sample, average) on the way up, e^(-Δt/decay) weighting on the way down.
 */
export class PeakEwma {
  private cost = 0;
  private stampMs = 0;
  private isPrimed = false;

  constructor(private readonly decayMs: number) {}

  /** The average as it stands, in the samples' unit; 0 before the first sample. */
  get value(): number {
    return this.cost;
  }

  /** Monotonic time of the last sample, in ms; 0 before the first. */
  get updatedAtMs(): number {
    return this.stampMs;
  }

  get hasSamples(): boolean {
    return this.isPrimed;
  }

  add(sample: number, nowMs: number): void {
    if (!this.isPrimed || sample > this.cost) {
      this.cost = sample;
      this.isPrimed = true;
    } else {
      const weight = Math.exp(-Math.max(0, nowMs - this.stampMs) / this.decayMs);
      this.cost = this.cost * weight + sample * (1 - weight);
    }
    this.stampMs = nowMs;
  }
}
