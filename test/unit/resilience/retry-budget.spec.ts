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
    for (let call = 0; call < 51; call++) budget.deposit();
    expect(spent(budget)).toBe(10);
  });

  it('keeps no more than ten seconds’ worth of its minimum, however long nobody retries', () => {
    const budget = new RetryBudget(clock);
    clock.advance(3_600_000);
    expect(spent(budget)).toBe(100);
  });

  it('keeps no more than ten seconds’ worth of calls, however long nobody retries', () => {
    const budget = new RetryBudget(clock, { minPerSecond: 0 });
    for (let call = 0; call < 1_000_000; call++) budget.deposit();
    clock.advance(1_000_000);
    expect(spent(budget)).toBe(2_000);
    clock.advance(1_000_000);
    expect(spent(budget)).toBe(0);
  });

  it('does not hoard what calls earn while there are a few retries all the time', () => {
    const budget = new RetryBudget(clock, { minPerSecond: 0 });
    for (let second = 0; second < 3_600; second++) {
      for (let call = 0; call < 100; call++) budget.deposit();
      clock.advance(1_000);
      budget.withdraw();
    }
    expect(spent(budget)).toBeLessThanOrEqual(100 * 10 * 0.2);
  });

  it('does not let an hour of calm pay for a storm', () => {
    const budget = new RetryBudget(clock);
    for (let second = 0; second < 3_600; second++) {
      for (let call = 0; call < 10; call++) budget.deposit();
      clock.advance(1_000);
    }
    expect(spent(budget)).toBeLessThanOrEqual(100 + 10 * 10 * 0.2);
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
