import { describe, expect, it } from 'vitest';

import { heartbeatDelay, registrarSettings, retryDelay, returnDelay } from '../../../lib/discovery/registrar-timing.js';

const low = () => 0;
const high = () => 1 - Number.EPSILON;

describe('the heartbeat', () => {
  it('is the option, or a third of the lease where that is shorter, ± 20 %', () => {
    expect(heartbeatDelay(5_000, 60_000, low)).toBeCloseTo(4_000);
    expect(heartbeatDelay(5_000, 60_000, high)).toBeCloseTo(6_000);
    expect(heartbeatDelay(5_000, 6_000, low)).toBeCloseTo(1_600);
    expect(heartbeatDelay(5_000, 6_000, high)).toBeCloseTo(2_400);
  });

  it('is none where the registry has no leases', () => {
    expect(heartbeatDelay(5_000, undefined, low)).toBeUndefined();
  });
});

describe('a retry', () => {
  it('waits 1 to 2 s at first, and 5 to 10 s in the end', () => {
    expect([0, 1, 2, 3, 1_000].map((attempt) => retryDelay(attempt, low))).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
    expect([0, 1, 2, 3].map((attempt) => Math.round(retryDelay(attempt, high)))).toEqual([2_000, 4_000, 8_000, 10_000]);
  });
});

describe('the return of a lost lease', () => {
  const longest = (waitedMs: number | undefined, lostAgain: boolean, reregisterJitterMs = 10_000) =>
    Math.round(returnDelay({ reregisterJitterMs }, { waitedMs, lostAgain }, high));

  it('is quick for a single one, spread for many, and never negative', () => {
    expect(longest(undefined, false)).toBe(1_000);
    expect(longest(undefined, true)).toBe(10_000);
    expect(longest(2_000, false)).toBe(9_000);
    expect(longest(10_000, true)).toBe(5_000);
    expect(longest(10_000, true, 100)).toBe(0);
    expect(longest(undefined, false, 300)).toBe(300);
  });
});

describe('the options', () => {
  it('have defaults, and are read as durations', () => {
    expect(registrarSettings()).toEqual({
      heartbeatMs: 5_000,
      reregisterJitterMs: 10_000,
      drainTimeoutMs: 5_000,
      callTimeoutMs: 10_000,
    });
    expect(registrarSettings({ heartbeat: '1s', callTimeout: 500 })).toMatchObject({
      heartbeatMs: 1_000,
      callTimeoutMs: 500,
    });
  });

  it.each([
    ['heartbeat', '10ms'],
    ['heartbeat', '6m'],
    ['reregisterJitter', -1],
    ['drainTimeout', '61s'],
    ['callTimeout', 0],
  ])('refuse %s: %j', (name, value) => {
    expect(() => registrarSettings({ [name]: value }, 'registry')).toThrow(new RegExp(`^registry\\.${name}: expected`));
  });
});
