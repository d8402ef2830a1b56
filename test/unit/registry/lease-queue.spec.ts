import { beforeEach, describe, expect, it } from 'vitest';

import type { Clock } from '../../../lib/core/clock.js';
import { LeaseQueue } from '../../../lib/registry/lease-queue.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';

const TTL_MS = 15_000;

describe('LeaseQueue', () => {
  let clock: FakeClock;
  let expired: string[];
  let leases: LeaseQueue<string>;

  beforeEach(() => {
    clock = new FakeClock();
    expired = [];
    leases = new LeaseQueue<string>(TTL_MS, clock, (holder) => expired.push(holder));
  });

  it('ends a lease when its time is over, not before', () => {
    leases.renew('a');
    clock.advance(TTL_MS - 1);
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual(['a']);
  });

  it('ends leases in the order in which they were renewed last', () => {
    for (const holder of ['a', 'b', 'c']) {
      leases.renew(holder);
      clock.advance(10);
    }
    leases.renew('a');
    clock.advance(2 * TTL_MS);
    expect(expired).toEqual(['b', 'c', 'a']);
  });

  it('holds one timer for any number of leases, and none for none', () => {
    expect(clock.pending).toBe(0);
    for (let at = 0; at < 100; at++) {
      leases.renew(`holder-${at}`);
      clock.advance(1);
    }
    expect(clock.pending).toBe(1);
    for (let at = 0; at < 100; at++) leases.drop(`holder-${at}`);
    expect(clock.pending).toBe(0);
  });

  it('sets its timer for the next lease that is due', () => {
    leases.renew('a');
    clock.advance(5_000);
    leases.renew('b');
    leases.renew('a');
    clock.advance(TTL_MS - 5_000); // a's first lease would have ended now
    expect(expired).toEqual([]);
    expect(clock.nextDueMs).toBe(1_000 + 5_000 + TTL_MS);
  });

  it('leaves no timer when the last lease has ended or all are closed', () => {
    leases.renew('a');
    clock.advance(TTL_MS);
    expect(clock.pending).toBe(0);
    leases.renew('b');
    leases.close();
    expect(clock.pending).toBe(0);
    clock.advance(TTL_MS);
    expect(expired).toEqual(['a']);
  });

  it('says nothing of a lease that was dropped', () => {
    leases.renew('a');
    leases.drop('a');
    leases.drop('never-held');
    clock.advance(TTL_MS);
    expect(expired).toEqual([]);
  });

  it('takes renewals and drops from within the notice of an end', () => {
    const seen: string[] = [];
    const busy = new LeaseQueue<string>(TTL_MS, clock, (holder) => {
      seen.push(holder);
      busy.drop('b');
      if (seen.length === 1) busy.renew('a');
    });
    busy.renew('a');
    busy.renew('b');
    clock.advance(TTL_MS);
    expect(seen).toEqual(['a']);
    clock.advance(TTL_MS);
    expect(seen).toEqual(['a', 'a']);
    expect(clock.pending).toBe(0);
  });

  it('starts all leases anew when its own process stood still, for nobody could have renewed', () => {
    const stalled = new StallingClock();
    const survivors = new LeaseQueue<string>(TTL_MS, stalled, (holder) => expired.push(holder));
    survivors.renew('a');
    stalled.advance(1_000);
    survivors.renew('b');
    stalled.stall(60_000);
    expect(expired).toEqual([]);
    stalled.advance(TTL_MS - 1);
    expect(expired).toEqual([]);
    stalled.advance(1);
    expect(expired).toEqual(['a', 'b']);
  });
});

/** A clock whose timers come late after a stall, as those of a stopped process do. */
class StallingClock implements Clock {
  private readonly inner = new FakeClock();
  private lostMs = 0;

  now(): number {
    return this.inner.now() + this.lostMs;
  }

  after(delayMs: number, callback: () => void) {
    const dueMs = this.now() + delayMs;
    return this.inner.after(delayMs, () => (this.now() >= dueMs ? callback() : undefined));
  }

  advance(ms: number): void {
    this.inner.advance(ms);
  }

  /** Time goes on; what was due meanwhile happens at the end of it. */
  stall(ms: number): void {
    const due = (this.inner.nextDueMs ?? 0) - this.inner.now();
    this.lostMs += ms - due;
    this.inner.advance(due);
  }
}
