import { beforeEach, describe, expect, it } from 'vitest';

import { RetryBudget } from '../../../lib/resilience/retry-budget.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

function spent(budget: RetryBudget): number {
  let retries = 0;
  while (budget.withdraw()) retries++;
  return retries;
}

describe('RetryBudget', () => {
  it('starts with ten seconds of its minimum', () => {
    const budget = new RetryBudget(clock);
    expect(budget.balance).toBe(100);
    expect(spent(budget)).toBe(100);
    expect(budget.balance).toBe(0);
  });

  it('earns its minimum with time, whatever the traffic', () => {
    const budget = new RetryBudget(clock);
    spent(budget);
    clock.advance(99);
    expect(budget.withdraw()).toBe(false);
    clock.advance(1);
    expect(budget.withdraw()).toBe(true);
    clock.advance(2_500);
    expect(spent(budget)).toBe(25);
  });

  it('earns a fifth of a retry with each call', () => {
    const budget = new RetryBudget(clock);
    spent(budget);
    for (let call = 0; call < 50; call++) budget.deposit();
    expect(spent(budget)).toBe(10);
  });

  it('keeps no more than ten seconds’ worth, however long nobody retries', () => {
    const budget = new RetryBudget(clock, { ratio: 0, minPerSecond: 10 });
    clock.advance(3_600_000);
    expect(spent(budget)).toBe(100);
  });

  it('keeps no more than ten seconds of a thousand calls a second earn, however many there were', () => {
    const budget = new RetryBudget(clock);
    for (let call = 0; call < 1_000_000; call++) budget.deposit();
    expect(spent(budget)).toBe(2_000);
  });

  it('bounds what a total outage adds to the load at a fifth, and ten a second', () => {
    const budget = new RetryBudget(clock);
    let retries = 0;
    for (let tick = 0; tick < 6_000; tick++) {
      budget.deposit();
      if (budget.withdraw()) retries++;
      clock.advance(10);
    }
    expect(retries).toBeLessThanOrEqual(6_000 * 0.2 + 60 * 10 + 100);
    expect(retries).toBeGreaterThan(6_000 * 0.2);
  });

  it('allows none at all where neither share nor minimum does', () => {
    const budget = new RetryBudget(clock, { ratio: 0, minPerSecond: 0 });
    budget.deposit();
    clock.advance(60_000);
    expect(budget.withdraw()).toBe(false);
  });
});
