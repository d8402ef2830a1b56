import { PeakEwma } from '../core/ewma.js';

/** Decay of the average, as Finagle and go-zero have it. */
export const EWMA_DECAY_MS = 10_000;

/** Without a sample for so long, what is known is old news. */
const SILENCE_MS = 500;

/**
 * How long an endpoint takes to answer: a peak average, except that the first sample after a silence counts at least half. An endpoint
 * that was slow gets one trial a second; by the average alone it would take minutes of these to get its share back, this way seconds.
 */
export class EndpointLatency {
  private average = new PeakEwma(EWMA_DECAY_MS);

  /** The average, in ms; 0 before the first sample. */
  get value(): number {
    return this.average.value;
  }

  get hasSamples(): boolean {
    return this.average.hasSamples;
  }

  /** Monotonic time of the last sample, in ms; 0 before the first. */
  get updatedAtMs(): number {
    return this.average.updatedAtMs;
  }

  add(sampleMs: number, nowMs: number): void {
    const { average } = this;
    const { hasSamples, value, updatedAtMs } = average;
    average.add(sampleMs, nowMs);
    if (hasSamples && sampleMs < value && nowMs - updatedAtMs >= SILENCE_MS)
      this.lowerTo((value + sampleMs) / 2, nowMs);
  }

  /** A failure can raise the average, never lower it: who refuses fast must not look fast. It tells nothing of an unknown latency. */
  addFailure(sampleMs: number, nowMs: number): void {
    const { average } = this;
    if (average.hasSamples) average.add(Math.max(sampleMs, average.value), nowMs);
  }

  private lowerTo(valueMs: number, nowMs: number): void {
    if (this.average.value <= valueMs) return;
    this.average = new PeakEwma(EWMA_DECAY_MS);
    this.average.add(valueMs, nowMs);
  }
}
