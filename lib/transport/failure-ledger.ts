import type { Clock } from '../core/clock.js';

/** Failures of one address that are answered at once. */
const FREE_FAILURES = 10;
/** In which one of them is forgiven. */
const FORGIVE_MS = 6_000;
const FIRST_DELAY_MS = 100;
/** Less than the time a client gives a handshake by default, so that it hears why. */
const MAX_DELAY_MS = 2_000;
/** Addresses it remembers; beyond, the one that failed longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

interface Entry {
  failures: number;
  sinceMs: number;
}

/**
 * Which addresses keep failing the handshake, and how long the next one of theirs that fails waits for its answer: the first ten in
 * a minute nothing, then twice as long each time. Those from there that succeed do not wait.
 */
export class FailureLedger {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly clock: Clock) {}

  /** Addresses it remembers. */
  get size(): number {
    return this.entries.size;
  }

  /** Notes a failure. @returns for how long its answer is to be held back, in ms */
  note(address: string): number {
    const nowMs = this.clock.now();
    const failures = this.leftOf(address, nowMs) + 1;
    this.entries.delete(address);
    if (this.entries.size >= MAX_ADDRESSES) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(address, { failures, sinceMs: nowMs });
    const excess = Math.round(failures) - FREE_FAILURES;
    return excess <= 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (excess - 1));
  }

  private leftOf(address: string, nowMs: number): number {
    const entry = this.entries.get(address);
    // So that a long siege is over a minute after it ends, no more is remembered than leads to the longest delay.
    return entry ? Math.max(0, Math.min(2 * FREE_FAILURES, entry.failures) - (nowMs - entry.sinceMs) / FORGIVE_MS) : 0;
  }
}
