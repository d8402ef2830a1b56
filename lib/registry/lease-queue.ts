import type { Clock, Timer } from '../core/clock.js';

/** A timer this share of the TTL late means that this process stood still, not that every holder fell silent. */
const STALL_SHARE = 1 / 3;

/**
 * Leases of one length, renewed in O(1): as every renewal goes to the end, insertion order is the order of expiry.
 * There is one timer, for the first lease alone, and none while nothing is held.
 *
 * When the timer comes late by a third of the TTL (a stopped process, a blocked event loop), nobody could have renewed meanwhile:
 * all leases then start anew instead of expiring together.
 */
export class LeaseQueue<T> {
  private readonly dueMs = new Map<T, number>();
  private timer: Timer | undefined;

  constructor(
    private readonly ttlMs: number,
    private readonly clock: Clock,
    private readonly onExpired: (holder: T) => void,
  ) {}

  /** Starts a lease, or starts it anew. */
  renew(holder: T): void {
    this.dueMs.delete(holder);
    this.dueMs.set(holder, this.clock.now() + this.ttlMs);
    this.timer ??= this.arm();
  }

  /** Ends a lease without a word. */
  drop(holder: T): void {
    this.dueMs.delete(holder);
    if (this.dueMs.size === 0) this.disarm();
  }

  close(): void {
    this.dueMs.clear();
    this.disarm();
  }

  private arm(): Timer | undefined {
    const first = this.dueMs.values().next();
    if (first.done) return undefined;
    const due = first.value;
    return this.clock.after(Math.max(0, due - this.clock.now()), () => this.expire(due));
  }

  private disarm(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private expire(armedForMs: number): void {
    const now = this.clock.now();
    this.timer = undefined;
    if (now - armedForMs > this.ttlMs * STALL_SHARE) this.renewAll();
    for (const [holder, due] of this.dueMs) {
      if (due > now) break;
      this.dueMs.delete(holder);
      this.onExpired(holder);
    }
    this.timer ??= this.arm();
  }

  private renewAll(): void {
    const due = this.clock.now() + this.ttlMs;
    for (const holder of this.dueMs.keys()) this.dueMs.set(holder, due);
  }
}
