import type { Clock, Timer } from '../core/clock.js';

/** Timers that one `advance` may fire before it gives up: a timer that re-arms itself with no delay would never end. */
const MAX_FIRED = 100_000;

/** A round of microtasks per timer; more than one, for a chain of awaits takes several. */
const MICROTASK_ROUNDS = 10;

/**
 * Time that stands still until a test moves it.
 *
 * ```ts
 * const clock = new FakeClock();
 * const registry = memoryRegistry({ ttl: '15s', clock });
 * clock.advance(15_000); // everything that was due has happened
 * ```
 *
 * @publicApi
 */
export class FakeClock implements Clock {
  private readonly timers = new Set<FakeTimer>();
  private sequence = 0;

  /** @param startMs what `now()` says at first; not 0, so that "never" and "at the start" differ */
  constructor(private nowMs = 1_000) {}

  now(): number {
    return this.nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer: FakeTimer = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.sequence++, callback };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }

  /** Timers that wait: 0 once everything under test is closed. */
  get pending(): number {
    return this.timers.size;
  }

  /** When the next timer is due on this clock, or `undefined`. */
  get nextDueMs(): number | undefined {
    return this.next()?.dueMs;
  }

  /** Moves time by `ms` and fires what falls due on the way, in order of time, then of creation; also what is scheduled meanwhile. */
  advance(ms: number): void {
    const target = this.nowMs + ms;
    for (let fired = 0; this.fireNext(target); fired++) guard(fired);
    this.nowMs = target;
  }

  /** As `advance`, and lets promises settle before the first timer, between timers, and after the last. */
  async advanceAsync(ms: number): Promise<void> {
    const target = this.nowMs + ms;
    await settle();
    for (let fired = 0; this.fireNext(target); fired++) {
      guard(fired);
      await settle();
    }
    this.nowMs = target;
    await settle();
  }

  private fireNext(targetMs: number): boolean {
    const timer = this.next();
    if (!timer || timer.dueMs > targetMs) return false;
    this.timers.delete(timer);
    this.nowMs = timer.dueMs;
    timer.callback();
    return true;
  }

  private next(): FakeTimer | undefined {
    let first: FakeTimer | undefined;
    for (const timer of this.timers) {
      if (!first || timer.dueMs < first.dueMs || (timer.dueMs === first.dueMs && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

interface FakeTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

function guard(fired: number): void {
  if (fired >= MAX_FIRED)
    throw new Error(`FakeClock: ${MAX_FIRED} timers fired in one advance; does a timer re-arm itself without delay?`);
}

async function settle(): Promise<void> {
  for (let round = 0; round < MICROTASK_ROUNDS; round++) await Promise.resolve();
}
